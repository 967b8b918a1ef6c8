//! What another balancer was told, as a config file.
//!
//! [`ipvsadm`] and [`keepalived`] read their own kind of text into what IPVS knows of
//! a service ([`service`]); [`assemble`] makes a document of that. Whatever the
//! document does not say is a [`Remark`] with its line: nothing is lost in silence.

mod address;
mod assemble;
pub mod ipvsadm;
pub mod keepalived;
mod scheduler;
mod service;

use crate::config::Document;
use crate::config::finding::plain;

/// What became of a text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Import {
    /// What carries over.
    pub document: Document,
    /// What does not, or only in another way, in the order of lines.
    pub remarks: Vec<Remark>,
}

/// Something that does not carry over as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The line of the text that it is about, from 1.
    pub line: usize,
    /// Whether the document works without it.
    pub fate: Fate,
    /// What, and why.
    pub text: String,
}

/// What became of a part of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is in the document in another way, or needs not be.
    Note,
    /// It is not in the document.
    LeftOut,
}

impl Fate {
    /// The words that reports use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::LeftOut => "left out",
        }
    }
}

/// Why nothing can be made of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what to do about it.
    pub text: String,
}

/// Remarks, while they are collected.
#[derive(Debug, Default)]
struct Remarks(Vec<Remark>);

impl Remarks {
    fn note(&mut self, line: usize, text: impl AsRef<str>) {
        self.add(line, Fate::Note, text.as_ref());
    }

    fn left_out(&mut self, line: usize, text: impl AsRef<str>) {
        self.add(line, Fate::LeftOut, text.as_ref());
    }

    fn add(&mut self, line: usize, fate: Fate, text: &str) {
        let text = plain(text);
        self.0.push(Remark { line, fate, text });
    }

    /// In the order of lines; those of one line as they came.
    fn in_order(mut self) -> Vec<Remark> {
        self.0.sort_by_key(|remark| remark.line);
        self.0
    }
}
