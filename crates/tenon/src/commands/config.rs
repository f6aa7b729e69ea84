//! `tenon config`.

use crate::{
    config::{Config, ServerFlags},
    ui,
};

/// Prints every key that has a value, and where the value comes from.
pub(crate) fn run(flags: &ServerFlags) -> anyhow::Result<()> {
    let rows = Config::load(flags)?.explain();
    let width = rows.iter().map(|(key, _, _)| key.len()).max().unwrap_or(0);
    for (key, value, origin) in rows {
        ui::say(format!("{key:width$} = {value}    # {origin}"));
    }
    Ok(())
}
