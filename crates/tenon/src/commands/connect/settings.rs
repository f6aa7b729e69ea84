//! Settings of syncs that are asked for in the terminal, before somebody types a code elsewhere.

use std::io::{BufRead as _, IsTerminal as _};

use anyhow::bail;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Args, Data};
use crate::{
    commands::server::{Client, ClientError, segment},
    ui,
};

/// What the server knows of a setting.
#[derive(Deserialize)]
struct Field {
    name: String,
    kind: String,
    title: String,
    description: Option<String>,
    #[serde(default)]
    options: Vec<Value>,
    required: bool,
    default: Option<Value>,
}

#[derive(Deserialize)]
struct Fields {
    fields: Vec<Field>,
}

/// The settings of a new connection: from the command line, and from whoever sits at the terminal.
pub(super) async fn of(client: &Client, args: &Args) -> anyhow::Result<Option<Value>> {
    if is_there(client, args).await? {
        if !args.settings.is_empty() {
            bail!("the connection is there already and keeps its settings");
        }
        return Ok(None);
    }
    let path = format!("/connect/settings/{}", segment(&args.integration));
    let fields = match client.get::<Data<Fields>>(&path).await {
        Ok(found) => found.data.fields,
        // What is wrong with the integration or the key is said where the flow begins.
        Err(ClientError::Refused { .. }) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let mut settings = given(&fields, &args.settings)?;
    let mut missing = Vec::new();
    let asks = !args.json && std::io::stdin().is_terminal();
    for field in &fields {
        if settings.contains_key(&field.name) {
            continue;
        }
        if asks {
            ask(field, &mut settings)?;
        } else if field.required {
            missing.push(field.name.as_str());
        }
    }
    if !missing.is_empty() {
        ui::complain(format!(
            "syncs of this integration expect `{}` in the metadata of the connection\nhint: --setting {}=…",
            missing.join("`, `"),
            missing[0]
        ));
    }
    Ok((!settings.is_empty()).then(|| settings.into()))
}

async fn is_there(client: &Client, args: &Args) -> anyhow::Result<bool> {
    let Some(id) = &args.connection_id else {
        return Ok(false);
    };
    let path = format!(
        "/connections?connectionId={}&integrationId={}",
        segment(id),
        segment(&args.integration)
    );
    let found: Value = client.get(&path).await?;
    let list = found["connections"].as_array();
    Ok(list.is_some_and(|list| !list.is_empty()))
}

fn given(fields: &[Field], pairs: &[String]) -> anyhow::Result<Map<String, Value>> {
    let mut settings = Map::new();
    for pair in pairs {
        let Some((name, text)) = pair.split_once('=') else {
            bail!("`{pair}` is not of the form NAME=VALUE");
        };
        let Some(field) = fields.iter().find(|field| field.name == name) else {
            let known: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
            bail!(
                "no sync of this integration asks for `{name}`; they ask for: {}",
                known.join(", ")
            );
        };
        let Some(value) = field.value(text) else {
            bail!("`{name}` takes {}, not `{text}`", field.takes());
        };
        settings.insert(name.to_owned(), value);
    }
    Ok(settings)
}

/// Asks until the answer makes sense; an empty one leaves out what may be left out.
fn ask(field: &Field, settings: &mut Map<String, Value>) -> anyhow::Result<()> {
    if let Some(description) = &field.description {
        ui::complain(description);
    }
    loop {
        ui::complain(format!("{} ({}):", field.title, field.takes()));
        let mut line = String::new();
        if std::io::stdin().lock().read_line(&mut line)? == 0 {
            bail!("nobody answered");
        }
        let text = line.trim();
        if text.is_empty() && !field.required {
            return Ok(());
        }
        if let Some(value) = field.value(text).filter(|_| !text.is_empty()) {
            settings.insert(field.name.clone(), value);
            return Ok(());
        }
    }
}

impl Field {
    fn value(&self, text: &str) -> Option<Value> {
        match self.kind.as_str() {
            "choice" => {
                let mut options = self.options.iter();
                options.find(|option| shown(option) == text).cloned()
            }
            "boolean" => match text {
                "yes" | "y" | "true" => Some(true.into()),
                "no" | "n" | "false" => Some(false.into()),
                _ => None,
            },
            "integer" => text.parse::<i64>().ok().map(Value::from),
            "number" => text.parse::<f64>().ok().map(Value::from),
            _ => Some(text.into()),
        }
    }

    fn takes(&self) -> String {
        let what = match self.kind.as_str() {
            "choice" => {
                let options: Vec<String> = self.options.iter().map(shown).collect();
                options.join(", ")
            }
            "boolean" => "yes or no".to_owned(),
            "integer" => "a whole number".to_owned(),
            "number" => "a number".to_owned(),
            _ => "a text".to_owned(),
        };
        match &self.default {
            Some(default) => format!("{what}; {} if empty", shown(default)),
            None if self.required => what,
            None => format!("{what}, or nothing"),
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Field, given};

    fn fields() -> Vec<Field> {
        let fields = json!([
            {"name": "team", "kind": "choice", "title": "Team", "options": ["ops", 7], "required": true},
            {"name": "days", "kind": "integer", "title": "Days", "required": false, "default": 30},
            {"name": "open", "kind": "boolean", "title": "Open", "required": false},
        ]);
        serde_json::from_value(fields).unwrap()
    }

    fn read(pairs: &[&str]) -> Result<Value, String> {
        let pairs: Vec<String> = pairs.iter().map(|pair| (*pair).to_owned()).collect();
        given(&fields(), &pairs)
            .map(Value::from)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn settings_have_the_types_that_syncs_expect() {
        assert_eq!(
            read(&["team=7", "days=3", "open=yes"]),
            Ok(json!({"team": 7, "days": 3, "open": true}))
        );
        assert_eq!(
            read(&["team=x"]).unwrap_err(),
            "`team` takes ops, 7, not `x`"
        );
        assert_eq!(
            read(&["days=x"]).unwrap_err(),
            "`days` takes a whole number; 30 if empty, not `x`"
        );
        assert_eq!(
            read(&["a=b"]).unwrap_err(),
            "no sync of this integration asks for `a`; they ask for: team, days, open"
        );
    }
}
