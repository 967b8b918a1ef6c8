//! Where what setup has changed is remembered: a file below `/run`, for each
//! network namespace one.
//!
//! The kernel keeps addresses and settings, but not what was before them.

use crate::fault;
use crate::model::backend::memory::{Memory, Place};
use crate::sys::namespace::{netns_cookie, netns_inode};
use anyhow::{Context, Result};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const ROOT: &str = "/run/dsrload";
const FILE: &str = "backend.json";

/// Tells this boot from others: where `/run` is on a disk, as in containers,
/// namespaces of an earlier boot may have had the same inode and cookie.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// The memory of this network namespace.
#[derive(Debug)]
pub struct Store {
    directory: PathBuf,
    place: Place,
}

impl Store {
    /// That of the calling thread's namespace.
    ///
    /// # Errors
    ///
    /// There is no `/proc`; the kernel does not tell namespaces apart (before
    /// 5.14).
    pub fn here() -> Result<Self> {
        let inode = netns_inode().context("this command needs /proc mounted")?;
        let boot = fs::read_to_string(BOOT).with_context(|| format!("read {BOOT}"))?;
        Ok(Self {
            directory: Path::new(ROOT).join(inode.to_string()),
            place: Place {
                boot: boot.trim().to_owned(),
                cookie: netns_cookie().context("ask for this network namespace")?,
            },
        })
    }

    /// The memory of somebody who has changed nothing.
    pub fn nothing(&self) -> Memory {
        Memory::nothing(self.place.clone())
    }

    /// What is remembered. What another namespace has left, which had this
    /// inode before, is none of ours.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or makes no sense.
    pub fn load(&self) -> Result<Option<Memory>> {
        let path = self.directory.join(FILE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fault!(Failed, "{}: {error}", path.display())),
        };
        let memory: Memory = serde_json::from_slice(&bytes).map_err(|error| {
            fault!(
                Failed,
                "{} makes no sense ({error}): it says what setup has changed; when you have seen to that, remove it",
                path.display()
            )
        })?;
        Ok(Some(memory).filter(|memory| memory.place == self.place))
    }

    /// Remembers this from now on: the old or the new, whenever one looks.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn save(&self, memory: &Memory) -> Result<()> {
        let done = if memory.vips.is_empty() {
            self.forget()
        } else {
            self.write(memory)
        };
        done.map_err(|error| {
            fault!(
                Failed,
                "{}: {error}; without this file, undo would not know what was before",
                self.directory.join(FILE).display()
            )
        })
    }

    fn write(&self, memory: &Memory) -> io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        let new = self.directory.join(format!("{FILE}~"));
        fs::write(&new, serde_json::to_vec_pretty(memory)?)?;
        fs::rename(&new, self.directory.join(FILE))
    }

    /// Removes the file, and the directories if they are empty then.
    fn forget(&self) -> io::Result<()> {
        for name in [format!("{FILE}~"), FILE.to_owned()] {
            match fs::remove_file(self.directory.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        for directory in self.directory.ancestors().take(2) {
            if fs::remove_dir(directory).is_err() {
                break;
            }
        }
        Ok(())
    }
}
