//! Calls that only work in a certain order. Lines decide, and only calls with the name of a model written out count.

use super::{
    File, Sites,
    sites::{BATCHES, REQUESTS, Site},
};
use crate::compile::diagnostic::Diagnostic;

pub(super) fn check(file: &File<'_, '_>, sites: &Sites<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for body in sites.by_body() {
        found.extend(merging(file, &body));
        found.extend(delete_previous(file, &body));
        found.extend(track_deletes(file, &body));
    }
    found
}

/// The strategy must be set before anything is read or written.
fn merging(file: &File<'_, '_>, body: &[&Site<'_>]) -> Vec<Diagnostic> {
    let first = body
        .iter()
        .position(|site| REQUESTS.contains(&site.method) || BATCHES.contains(&site.method));
    let late = body
        .iter()
        .skip(first.map_or(body.len(), |first| first + 1));
    late.filter(|site| site.method == "setMergingStrategy")
        .map(|site| {
            file.complain(
                site.callee,
                "`setMergingStrategy` comes after a request or a batch",
            )
            .with_hint("call it first: it must know what the records were before the run looked")
        })
        .collect()
}

/// What was not saved is deleted: so everything must have been saved.
fn delete_previous(file: &File<'_, '_>, body: &[&Site<'_>]) -> Vec<Diagnostic> {
    const METHOD: &str = "deleteRecordsFromPreviousExecutions";
    let mut found = Vec::new();
    let deletes: Vec<(usize, &&Site<'_>)> = body
        .iter()
        .enumerate()
        .filter(|(_, site)| site.method == METHOD)
        .collect();
    for (nth, (position, site)) in deletes.iter().enumerate() {
        let same = |other: &Site<'_>| {
            other.model().is_none() || site.model().is_none() || other.model() == site.model()
        };
        if deletes[..nth].iter().any(|(_, other)| same(other)) {
            let complaint =
                file.complain(site.callee, format!("`{METHOD}` is called more than once"));
            found.push(complaint.with_hint("call it once for each model, at the end"));
        }
        let batch = body[position + 1..]
            .iter()
            .find(|other| BATCHES.contains(&other.method) && same(other));
        if let Some(batch) = batch {
            let complaint = file.complain(
                site.callee,
                format!("`{METHOD}` comes before `{}`", batch.method),
            );
            found.push(complaint.with_hint(
                "call it after the last batch: what has not been saved by then is deleted",
            ));
        }
    }
    found
}

/// Both ends of tracking, once for each model, around everything that writes it.
fn track_deletes(file: &File<'_, '_>, body: &[&Site<'_>]) -> Vec<Diagnostic> {
    let mut models: Vec<&str> = Vec::new();
    for site in body {
        let tracks = matches!(site.method, "trackDeletesStart" | "trackDeletesEnd");
        if let (true, Some(model)) = (tracks, site.model())
            && !models.contains(&model)
        {
            models.push(model);
        }
    }
    models
        .into_iter()
        .flat_map(|model| of_model(file, body, model))
        .collect()
}

fn of_model(file: &File<'_, '_>, body: &[&Site<'_>], model: &str) -> Vec<Diagnostic> {
    let named = |method: &str| -> Vec<&Site<'_>> {
        body.iter()
            .copied()
            .filter(|site| site.method == method && site.model() == Some(model))
            .collect()
    };
    let (starts, ends) = (named("trackDeletesStart"), named("trackDeletesEnd"));
    let mut found = Vec::new();
    for (calls, name) in [(&starts, "trackDeletesStart"), (&ends, "trackDeletesEnd")] {
        found.extend(calls.iter().skip(1).map(|site| {
            file.complain(
                site.callee,
                format!("`{name}` is called more than once for model `{model}`"),
            )
            .with_hint("track deletions of a model once in a run")
        }));
    }
    let (start, end) = match (starts.first(), ends.first()) {
        (Some(start), Some(end)) => (*start, *end),
        (Some(start), None) => {
            found.push(
                file.complain(
                    start.callee,
                    format!("`trackDeletesStart` of model `{model}` has no `trackDeletesEnd`"),
                )
                .with_hint(format!(
                    "call `await nango.trackDeletesEnd('{model}')` after the last batch: it deletes what was not seen"
                )),
            );
            return found;
        }
        (None, Some(end)) => {
            found.push(
                file.complain(
                    end.callee,
                    format!("`trackDeletesEnd` of model `{model}` has no `trackDeletesStart`"),
                )
                .with_hint(format!(
                    "call `await nango.trackDeletesStart('{model}')` before the first batch"
                )),
            );
            return found;
        }
        (None, None) => return found,
    };
    if end.callee.start < start.callee.start {
        found.push(
            file.complain(
                end.callee,
                format!(
                    "`trackDeletesEnd` of model `{model}` comes before its `trackDeletesStart`"
                ),
            )
            .with_hint("start, then save, then end"),
        );
        return found;
    }
    let batches = body
        .iter()
        .filter(|site| BATCHES.contains(&site.method) && site.model() == Some(model));
    for batch in batches {
        let message = if batch.callee.start < start.callee.start {
            format!(
                "`{}` of model `{model}` comes before `trackDeletesStart`",
                batch.method
            )
        } else if batch.callee.start > end.callee.start {
            format!(
                "`{}` of model `{model}` comes after `trackDeletesEnd`",
                batch.method
            )
        } else {
            continue;
        };
        found.push(file.complain(batch.callee, message).with_hint(
            "write a tracked model between start and end only: what was not seen in between is deleted",
        ));
    }
    found
}
