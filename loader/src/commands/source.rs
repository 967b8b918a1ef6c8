//! What is to be loaded, and where that is said: in a file, on the command line,
//! or nowhere.

use super::{Output, file};
use crate::cli::{LoadArgs, Mode as WantedMode};
use crate::config::generate;
use crate::config::{Balancer as Said, Document, Mode, Options};
use crate::datapath::tables::Capacity;
use crate::fault;
use crate::model::Config;
use anyhow::Result;
use std::path::{Path, PathBuf};
use xdp_prog::abi::limits;

/// Where services stand that are named nowhere else.
const DEFAULT: &str = "/etc/dsrload/dsrload.toml";

/// Room for this many texts like the first one.
const GROWTH: usize = 4;

/// What is to be loaded.
pub enum Source {
    /// A config file says it.
    File(Document),
    /// The command line does.
    Words(Config, Options),
}

impl Source {
    /// What this command line says.
    ///
    /// # Errors
    ///
    /// `Invalid`, with all that is wrong; a file cannot be read.
    pub fn of(arguments: &LoadArgs, output: &mut Output<'_>) -> Result<Self> {
        if let Some(mut document) = file_of(arguments, output)? {
            if let Some(mode) = mode_of(arguments.mode) {
                document.balancer.mode = Some(generate::at(mode));
            }
            return Ok(Self::File(document));
        }
        let config = if arguments.services.is_empty() {
            lab(output)?
        } else {
            Config {
                services: arguments.services.clone(),
            }
        };
        let faults = config.faults();
        if !faults.is_empty() {
            return Err(fault!(Invalid, "{}", faults.join("; ")));
        }
        let options = Options {
            seed: arguments.seed.clone(),
            flows: arguments.flows,
            slots: arguments.slots,
            mode: mode_of(arguments.mode).unwrap_or_default(),
            is_answering_echo: !arguments.no_echo,
        };
        Ok(Self::Words(config, options))
    }

    /// The lab's services, and a word about it.
    ///
    /// # Errors
    ///
    /// The writer's.
    pub fn lab(mode: Option<Mode>, output: &mut Output<'_>) -> Result<Self> {
        let options = Options {
            mode: mode.unwrap_or_default(),
            ..Options::default()
        };
        Ok(Self::Words(lab(output)?, options))
    }

    /// The document that says it; services that `known` has keep their names.
    #[must_use]
    pub fn document(&self, known: &Document) -> Document {
        match self {
            Self::File(document) => document.clone(),
            Self::Words(config, options) => generate::document(config, options, known),
        }
    }

    /// What is asked of a balancer that is first loaded.
    #[must_use]
    pub fn asked(&self) -> Options {
        match self {
            Self::File(document) => Said::new(document).options,
            Self::Words(_, options) => options.clone(),
        }
    }

    /// How large new tables are made.
    ///
    /// # Errors
    ///
    /// The document contradicts itself, or is longer than a balancer holds.
    pub fn capacity(&self) -> Result<Capacity> {
        let document = self.document(&Document::default());
        let text = super::prepare::text(&document)?;
        let options = self.asked();
        let room = text.len().saturating_mul(GROWTH);
        let room = u32::try_from(room).unwrap_or(u32::MAX);
        Ok(Capacity {
            slots: options.slots_in_all(document.services.len()),
            flows: options.flows_in_all(),
            text: room
                .clamp(limits::TEXT_DEFAULT, limits::TEXT_MAX)
                .next_power_of_two(),
        })
    }
}

fn lab(output: &mut Output<'_>) -> Result<Config> {
    writeln!(
        output.talk,
        "dsrload: no services given: using the lab's, VIP 192.168.25.10:80/tcp with backends 172.17.0.3 and 172.17.0.4"
    )?;
    Ok(Config::lab_default())
}

/// The mode that a config names.
#[must_use]
pub fn wanted_mode(mode: Mode) -> WantedMode {
    match mode {
        Mode::Auto => WantedMode::Auto,
        Mode::Skb => WantedMode::Skb,
        Mode::Drv => WantedMode::Drv,
        Mode::Hw => WantedMode::Hw,
    }
}

/// The mode that is asked for by name.
#[must_use]
pub fn mode_of(mode: WantedMode) -> Option<Mode> {
    match mode {
        WantedMode::Auto => None,
        WantedMode::Skb => Some(Mode::Skb),
        WantedMode::Drv => Some(Mode::Drv),
        WantedMode::Hw => Some(Mode::Hw),
    }
}

/// The file that is named, or the one that is used if nothing is named.
fn file_of(arguments: &LoadArgs, output: &mut Output<'_>) -> Result<Option<Document>> {
    let default = Path::new(DEFAULT);
    let path: PathBuf = match &arguments.config {
        Some(path) => path.clone(),
        None if arguments.services.is_empty() && default.exists() => {
            if arguments.seed.is_some() || arguments.flows.is_some() || arguments.slots.is_some() {
                return Err(fault!(
                    Usage,
                    "--seed, --flows and --slots go with services on the command line: {DEFAULT} is there, and says them"
                ));
            }
            writeln!(output.talk, "dsrload: no services given: using {DEFAULT}")?;
            default.to_owned()
        }
        None => return Ok(None),
    };
    Ok(Some(file::document(&path)?.0))
}
