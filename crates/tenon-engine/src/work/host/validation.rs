//! Records against the schemas of their models, before they are saved.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde_json::json;
use tenon_core::function::{HostError, HostReply, LogLevel, RecordInput, RejectedRecord};
use tracing::warn;

use super::{RunHost, records::records_error, store_error};
use crate::{
    environments::Validation,
    records::{self, Misfit, Problem, Schemas, Writer, full_model},
};

/// Lines about records that do not fit, in one run; the last line tells the total.
const LINES: u32 = 20;

/// Records named in one such line.
const NAMED: usize = 5;

/// Records that are tried again at a time.
const RETRIED: i64 = 500;

/// What a run has found so far.
#[derive(Default)]
pub(super) struct Counted {
    misfits: BTreeMap<String, u64>,
    lines: u32,
    /// Whether anything of a model was kept aside when the run came to it.
    has_quarantined: HashMap<String, bool>,
}

/// What is left to save.
pub(super) struct Checked {
    pub(super) records: Vec<RecordInput>,
    /// Ids that may have been kept aside before, and fit now.
    pub(super) to_release: Vec<String>,
}

impl RunHost {
    /// Whether records that do not fit are kept aside.
    pub(crate) async fn keeps_misfits(&self) -> bool {
        match self.settings().await {
            Ok(settings) => settings.validation == Validation::Quarantine,
            Err(_) => false,
        }
    }

    /// Looks at a batch as the environment wants it.
    pub(super) async fn validated(
        &self,
        writer: &Writer,
        model: &str,
        records: Vec<RecordInput>,
    ) -> Result<Checked, HostError> {
        let validation = self.settings().await?.validation;
        let nothing = |records| Checked {
            records,
            to_release: Vec::new(),
        };
        if validation == Validation::Off {
            return Ok(nothing(records));
        }
        let schemas = self.schemas().await?;
        let (good, bad) = sorted(&schemas, model, records);
        if !bad.is_empty() {
            let misfits: Vec<Misfit> = bad.iter().map(|(_, misfit)| misfit.clone()).collect();
            self.tell(model, &misfits, validation);
        }
        if validation == Validation::Warn {
            // All in the order in which they came: of two with one id the first counts.
            let mut all: Vec<(usize, RecordInput)> = good;
            all.extend(bad.into_iter().map(|(place, misfit)| {
                let input = RecordInput {
                    id: misfit.id.unwrap_or_default(),
                    json: misfit.json.unwrap_or_default(),
                };
                (place, input)
            }));
            all.sort_by_key(|(place, _)| *place);
            return Ok(nothing(all.into_iter().map(|(_, record)| record).collect()));
        }
        let to_release = if self.has_quarantined(writer, model).await? {
            good.iter().map(|(_, record)| record.id.clone()).collect()
        } else {
            Vec::new()
        };
        let misfits: Vec<Misfit> = bad.into_iter().map(|(_, misfit)| misfit).collect();
        self.keep_aside(writer, model, misfits).await?;
        Ok(Checked {
            records: good.into_iter().map(|(_, record)| record).collect(),
            to_release,
        })
    }

    /// Keeps aside what could not even be written as JSON.
    pub(super) async fn reject(
        &self,
        model: &str,
        records: Vec<RejectedRecord>,
    ) -> Result<HostReply, HostError> {
        let writer = self.writer_of(model)?;
        let misfits: Vec<Misfit> = records
            .into_iter()
            .map(|record| Misfit {
                id: record.id,
                json: None,
                problems: vec![Problem::whole(record.reason)],
            })
            .collect();
        self.tell(model, &misfits, Validation::Quarantine);
        self.keep_aside(writer, model, misfits).await?;
        Ok(HostReply::Done)
    }

    async fn keep_aside(
        &self,
        writer: &Writer,
        model: &str,
        misfits: Vec<Misfit>,
    ) -> Result<(), HostError> {
        if misfits.is_empty() {
            return Ok(());
        }
        let operation = &self.run.task.operation;
        records::quarantine(&self.engine, writer, model, operation, misfits)
            .await
            .map_err(records_error)
    }

    async fn has_quarantined(&self, writer: &Writer, model: &str) -> Result<bool, HostError> {
        let known = self
            .progress()
            .validation
            .has_quarantined
            .get(model)
            .copied();
        if let Some(known) = known {
            return Ok(known);
        }
        let has = records::has_quarantined(&self.engine, writer, model)
            .await
            .map_err(records_error)?;
        let mut progress = self.progress();
        progress
            .validation
            .has_quarantined
            .insert(model.to_owned(), has);
        Ok(has)
    }

    /// Schemas of this version of the function.
    async fn schemas(&self) -> Result<Arc<Schemas>, HostError> {
        let function = self.run.function.pk;
        if let Some(known) = self.engine.work.schemas(function) {
            return Ok(known);
        }
        let text = self
            .engine
            .reader()
            .function_schema(function)
            .await
            .map_err(store_error)?;
        let schemas = Arc::new(text.as_deref().map(Schemas::read).unwrap_or_default());
        self.engine.work.keep_schemas(function, &schemas);
        Ok(schemas)
    }

    fn tell(&self, model: &str, misfits: &[Misfit], validation: Validation) {
        let line = {
            let mut progress = self.progress();
            let counted = &mut progress.validation;
            *counted.misfits.entry(model.to_owned()).or_default() += misfits.len() as u64;
            counted.lines += 1;
            counted.lines
        };
        if line > LINES {
            return;
        }
        let named: Vec<_> = misfits
            .iter()
            .take(NAMED)
            .map(|misfit| json!({ "id": misfit.id, "problems": misfit.problems }))
            .collect();
        self.log(
            LogLevel::Warn,
            format!(
                "{} of `{model}` {}",
                counted(misfits.len() as u64),
                fate(validation)
            ),
            Some(&json!({ "count": misfits.len(), "records": named })),
        );
    }

    /// Says how many records did not fit, once the run has ended.
    pub(crate) fn sum_up_validation(&self) {
        let misfits = self.progress().validation.misfits.clone();
        if misfits.is_empty() {
            return;
        }
        let validation = self.settings.get().map(|settings| settings.validation);
        let fate = fate(validation.unwrap_or_default());
        for (model, count) in &misfits {
            self.log(
                LogLevel::Warn,
                format!("in this run {} of `{model}` {fate}", counted(*count)),
                Some(&json!({ "model": model, "count": count })),
            );
        }
    }

    /// Saves what somebody wants to be tried again, as far as it fits now.
    pub(crate) async fn retry_quarantined(&self) {
        if let Err(error) = self.retry_all().await {
            warn!(%error, "records could not be taken out of quarantine");
        }
    }

    async fn retry_all(&self) -> Result<(), HostError> {
        let Some(writer) = &self.writer else {
            return Ok(());
        };
        let mut after = 0;
        loop {
            let due = self
                .engine
                .reader()
                .due_quarantined(
                    writer.environment,
                    writer.connection,
                    writer.sync,
                    after,
                    RETRIED,
                )
                .await
                .map_err(store_error)?;
            let Some(last) = due.last() else {
                return Ok(());
            };
            after = last.pk;
            let checked = self.settings().await?.validation != Validation::Off;
            let schemas = self.schemas().await?;
            let mut fitting: BTreeMap<&str, Vec<RecordInput>> = BTreeMap::new();
            for record in &due {
                let model = self
                    .run
                    .function
                    .models
                    .iter()
                    .find(|model| full_model(model, &writer.variant) == record.model);
                let problems = match model {
                    None => vec![Problem::whole("its model is no longer there")],
                    Some(model) if checked => {
                        schemas.problems(model, &record.external_id, &record.payload)
                    }
                    Some(_) => Vec::new(),
                };
                match model {
                    Some(model) if problems.is_empty() => {
                        fitting.entry(model).or_default().push(RecordInput {
                            id: record.external_id.clone(),
                            json: record.payload.clone(),
                        });
                    }
                    _ => records::still_quarantined(&self.engine, record.pk, &problems)
                        .await
                        .map_err(records_error)?,
                }
            }
            for (model, records) in fitting {
                self.take_back(writer, model, records).await?;
            }
        }
    }

    async fn take_back(
        &self,
        writer: &Writer,
        model: &str,
        inputs: Vec<RecordInput>,
    ) -> Result<(), HostError> {
        let ids: Vec<String> = inputs.iter().map(|record| record.id.clone()).collect();
        let count = counted(ids.len() as u64);
        let written = records::save(&self.engine, writer, model, inputs)
            .await
            .map_err(records_error)?;
        self.noted(model, written);
        records::release(&self.engine, writer, model, ids)
            .await
            .map_err(records_error)?;
        self.log(
            LogLevel::Info,
            format!("{count} of `{model}` left the quarantine"),
            None,
        );
        Ok(())
    }
}

type Placed<T> = Vec<(usize, T)>;

/// Those that fit and those that do not, with their places.
fn sorted(
    schemas: &Schemas,
    model: &str,
    records: Vec<RecordInput>,
) -> (Placed<RecordInput>, Placed<Misfit>) {
    let (mut good, mut bad) = (Vec::with_capacity(records.len()), Vec::new());
    for (place, record) in records.into_iter().enumerate() {
        let problems = schemas.problems(model, &record.id, &record.json);
        if problems.is_empty() {
            good.push((place, record));
        } else {
            let misfit = Misfit {
                id: Some(record.id),
                json: Some(record.json),
                problems,
            };
            bad.push((place, misfit));
        }
    }
    (good, bad)
}

fn counted(count: u64) -> String {
    match count {
        1 => "1 record".to_owned(),
        count => format!("{count} records"),
    }
}

const fn fate(validation: Validation) -> &'static str {
    match validation {
        Validation::Quarantine => "did not fit the schema and went into quarantine",
        Validation::Off | Validation::Warn => "did not fit the schema and were saved all the same",
    }
}
