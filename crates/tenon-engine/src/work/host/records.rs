//! Records of a sync (functions.md, 2.11).

use serde_json::json;
use tenon_core::{
    cursor::Cursor,
    function::{HostError, HostReply, LogLevel, MergingStrategy, RecordCounts, RecordInput},
};
use tenon_store::StoreError;

use super::{RunHost, plain_error, sdk_error, store_error};
use crate::{
    Engine,
    records::{self, ListQuery, RecordsError, Writer, Written},
    work::run::{ClaimedRun, SyncRun},
};

/// Records in one page of `listRecords`.
const LIST_PAGE: usize = 100;

/// Ids of duplicates named in one log line.
const NAMED_DUPLICATES: usize = 20;

/// The writer of a run, if it may write records at all.
pub(super) fn writer(run: &ClaimedRun) -> Option<Writer> {
    let sync = run.sync.as_ref()?;
    Some(Writer::new(records::WriterKeys {
        environment: run.subject.environment,
        connection: run.subject.connection,
        sync: sync.sync.pk,
        variant: sync.sync.variant.clone(),
        run: sync.run,
        task: run.task.pk,
        fence: run.task.fence,
        checkpoint_key: run.checkpoint_key(),
    }))
}

/// Removes all records of a sync's models, before a run that asked for it.
pub(crate) async fn empty_cache(
    engine: &Engine,
    run: &ClaimedRun,
    sync: &SyncRun,
) -> Result<(), StoreError> {
    for model in &run.function.models {
        let model = records::full_model(model, &sync.sync.variant);
        match records::empty(engine, run.subject.connection, &model).await {
            Ok(()) => {}
            Err(RecordsError::Store(error)) => return Err(error),
            Err(error) => return Err(StoreError::Unavailable(error.to_string())),
        }
    }
    Ok(())
}

impl RunHost {
    pub(super) fn writer_of(&self, model: &str) -> Result<&Writer, HostError> {
        let Some(writer) = &self.writer else {
            return Err(plain_error("records can only be used in a sync".to_owned()));
        };
        if !self.run.function.models.iter().any(|known| known == model) {
            return Err(plain_error(format!(
                "The model '{model}' is not included in the declared sync models"
            )));
        }
        Ok(writer)
    }

    pub(super) fn noted(&self, model: &str, written: Written) -> HostReply {
        self.count(model, written.counts);
        if !written.duplicates.is_empty() {
            let named = written.duplicates.len().min(NAMED_DUPLICATES);
            self.log(
                LogLevel::Error,
                format!("Found duplicate key in `{model}`: only the first record of each is kept"),
                Some(&json!({
                    "count": written.duplicates.len(),
                    "ids": written.duplicates[..named],
                })),
            );
        }
        HostReply::Done
    }

    fn count(&self, model: &str, counts: RecordCounts) {
        let mut progress = self.progress();
        let total = progress.counts.entry(model.to_owned()).or_default();
        total.added += counts.added;
        total.updated += counts.updated;
        total.deleted += counts.deleted;
    }

    pub(super) async fn save(
        &self,
        model: &str,
        records: Vec<RecordInput>,
    ) -> Result<HostReply, HostError> {
        let writer = self.writer_of(model)?;
        let checked = self.validated(writer, model, records).await?;
        let written = records::save(&self.engine, writer, model, checked.records).await;
        let written = written.map_err(records_error)?;
        if !checked.to_release.is_empty() {
            let released = records::release(&self.engine, writer, model, checked.to_release).await;
            released.map_err(records_error)?;
        }
        Ok(self.noted(model, written))
    }

    pub(super) async fn update(
        &self,
        model: &str,
        records: Vec<RecordInput>,
    ) -> Result<HostReply, HostError> {
        let writer = self.writer_of(model)?;
        let written = records::update(&self.engine, writer, model, records).await;
        Ok(self.noted(model, written.map_err(records_error)?))
    }

    pub(super) async fn delete(
        &self,
        model: &str,
        records: Vec<RecordInput>,
    ) -> Result<HostReply, HostError> {
        let writer = self.writer_of(model)?;
        let written = records::delete(&self.engine, writer, model, records).await;
        Ok(self.noted(model, written.map_err(records_error)?))
    }

    pub(super) async fn set_merging_strategy(
        &self,
        model: &str,
        strategy: MergingStrategy,
    ) -> Result<HostReply, HostError> {
        let writer = self.writer_of(model)?;
        records::set_merging_strategy(&self.engine, writer, model, strategy)
            .await
            .map(|()| HostReply::Done)
            .map_err(records_error)
    }

    pub(super) async fn track_deletes_start(&self, model: &str) -> Result<HostReply, HostError> {
        let writer = self.writer_of(model)?;
        records::track_deletes_start(&self.engine, writer, model)
            .await
            .map(|()| HostReply::Done)
            .map_err(records_error)
    }

    pub(super) async fn track_deletes_end(&self, model: &str) -> Result<HostReply, HostError> {
        let writer = self.writer_of(model)?;
        let keys = records::track_deletes_end(&self.engine, writer, model).await;
        Ok(self.deleted(model, keys.map_err(records_error)?))
    }

    pub(super) async fn delete_previous(&self, model: &str) -> Result<HostReply, HostError> {
        let writer = self.writer_of(model)?;
        let keys = records::delete_unseen(&self.engine, writer, model).await;
        Ok(self.deleted(model, keys.map_err(records_error)?))
    }

    fn deleted(&self, model: &str, keys: Vec<String>) -> HostReply {
        let counts = RecordCounts {
            deleted: keys.len() as u64,
            ..RecordCounts::default()
        };
        self.count(model, counts);
        HostReply::Json(json!({ "deletedKeys": keys }))
    }

    /// After a run that returned: what it has not seen is deleted, where the function was deployed with `trackDeletes`.
    pub(crate) async fn delete_untouched(&self) -> Result<(), HostError> {
        for model in &self.run.function.models {
            self.delete_previous(model).await?;
        }
        Ok(())
    }

    pub(super) async fn records_by_ids(
        &self,
        model: &str,
        ids: &[String],
    ) -> Result<HostReply, HostError> {
        let writer = self.writer_of(model)?;
        let model = records::full_model(model, &writer.variant);
        let found = records::by_ids(
            &self.engine,
            self.run.subject.environment,
            self.run.subject.connection,
            &model,
            ids,
        )
        .await
        .map_err(records_error)?;
        Ok(HostReply::Records {
            records: found.into_iter().map(|(_, json)| json).collect(),
            next_cursor: None,
        })
    }

    pub(super) async fn list_records(
        &self,
        model: &str,
        cursor: Option<&str>,
    ) -> Result<HostReply, HostError> {
        let writer = self.writer_of(model)?;
        let after = match cursor {
            Some(text) => Some(Cursor::decode(text).ok_or_else(|| {
                plain_error("the cursor of `listRecords` cannot be read".to_owned())
            })?),
            None => None,
        };
        let query = ListQuery {
            model: records::full_model(model, &writer.variant),
            after,
            limit: LIST_PAGE,
            ..ListQuery::default()
        };
        let page = records::list(
            &self.engine,
            self.run.subject.environment,
            self.run.subject.connection,
            query,
        )
        .await
        .map_err(records_error)?;
        Ok(HostReply::Records {
            records: page.records,
            next_cursor: page.next_cursor,
        })
    }
}

pub(super) fn records_error(error: RecordsError) -> HostError {
    match error {
        RecordsError::LeaseLost => sdk_error("script_aborted", "the run was given to another node"),
        RecordsError::NotTracked { .. }
        | RecordsError::NotAnObject { .. }
        | RecordsError::QuarantineFull { .. } => plain_error(error.to_string()),
        RecordsError::Store(error) => store_error(error),
    }
}
