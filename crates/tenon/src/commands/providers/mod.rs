//! `tenon providers`: the catalogue, and files of one's own.

mod lint;
mod list;
mod rehearse;
mod show;

use std::{path::PathBuf, process::ExitCode};

use anyhow::anyhow;
use tenon_providers::{Catalogue, Provider, nearest};

use crate::{server::provider_files, ui};

/// What is done with the catalogue.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    /// List providers
    List(list::Args),
    /// Print an entry as it is in effect, aliases resolved
    Show(show::Args),
    /// Name everything that is wrong with provider files
    Lint(lint::Args),
    /// Print every request that an entry makes, with sample values; send none
    Test(rehearse::Args),
    /// Print the JSON Schema of provider files
    Schema,
}

/// Files that are looked at besides the catalogue of the binary.
#[derive(clap::Args, Debug, Clone)]
struct Files {
    /// Provider files whose entries come on top of ours, as for `tenon serve`; repeatable
    #[arg(long = "providers", value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl Files {
    fn catalogue(&self) -> anyhow::Result<Catalogue> {
        provider_files::load(&self.files)
    }
}

/// Runs one of the commands.
pub(crate) fn run(command: Command) -> ExitCode {
    let done = match command {
        Command::List(args) => list::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Lint(args) => lint::run(&args),
        Command::Test(args) => rehearse::run(&args),
        Command::Schema => {
            ui::say(tenon_providers::SCHEMA.trim_end());
            Ok(true)
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            ui::error(&error);
            ExitCode::FAILURE
        }
    }
}

/// An entry, or the name that was probably meant.
fn find(catalogue: &Catalogue, name: &str) -> anyhow::Result<std::sync::Arc<Provider>> {
    catalogue.find(name).ok_or_else(|| {
        let names = catalogue.names();
        let hint = match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("`tenon providers list {name}` searches"),
        };
        anyhow!("there is no provider `{name}`\nhint: {hint}")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tenon_engine::records::Schemas;
    use tenon_providers::{Catalogue, SCHEMA};

    #[test]
    fn every_entry_of_ours_fits_the_published_schema() {
        let schemas = Schemas::read(SCHEMA);
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../providers");
        let mut wrong = Vec::new();
        let mut check = |name: &str, entry: &Value| {
            let text = entry.to_string();
            for problem in schemas.problems_of_value("provider", text.as_bytes()) {
                wrong.push(format!("{name}: {} {}", problem.path, problem.reason));
            }
        };
        for provider in Catalogue::embedded().iter() {
            check(&provider.name, &Value::Object(provider.raw.clone()));
            let file = folder.join(format!("{}.yaml", provider.name));
            let own = std::fs::read_to_string(file).unwrap();
            check(&provider.name, &serde_saphyr::from_str(&own).unwrap());
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));

        let faults = [
            json!({"auth_mode": "OAUTH9"}),
            json!({"display_name": "No mode"}),
            json!({"auth_mode": "NONE", "colour": "red"}),
            json!({"auth_mode": "NONE", "proxy": {"paginate": {"type": "pages"}}}),
            json!({"auth_mode": "NONE", "credentials": {"key": {"secret": "yes"}}}),
        ];
        for fault in faults {
            let text = fault.to_string();
            let problems = schemas.problems_of_value("provider", text.as_bytes());
            assert!(!problems.is_empty(), "{fault}");
        }
    }
}
