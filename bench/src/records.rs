//! batchSave: from what a run calls to a durable commit, beside the same technique on the bare driver.

use std::time::Instant;

use anyhow::{Result, ensure};
use bytes::Bytes;
use tenon_core::function::RecordInput;
use tenon_engine::records::{self, Writer};

use crate::{
    cases::Settings,
    database::Databases,
    node::Node,
    raw::{Note, Postgres, Sqlite},
};

/// Records of one measurement.
const RECORDS: usize = 100_000;

/// What the SDK sends at most in one call.
const BATCH: usize = 1_000;

const MODEL: &str = "Item";

/// Records per second by what happens to them.
#[derive(Clone, Copy, Debug)]
struct Speeds {
    new: f64,
    /// The bare driver writes nothing then.
    unchanged: f64,
    /// It notes which ids there were, as the product does.
    noted: f64,
    changed: f64,
}

/// `records`
pub(crate) async fn measure(settings: &Settings) -> Result<()> {
    println!("  {RECORDS} records of about 1 KB, {BATCH} a batch, one run at a time");
    let batches = Batches::new();
    let mut rounds = Vec::new();
    for _ in 0..settings.rounds {
        let raw = raw_sqlite(&batches)?;
        rounds.push((product(&batches, None).await?, raw));
    }
    print("SQLite", "rusqlite", rounds);
    let Some(databases) = Databases::open(settings).await? else {
        return Ok(());
    };
    let mut rounds = Vec::new();
    for _ in 0..settings.rounds {
        let database = databases.make().await?;
        let raw = raw_postgres(&batches, &database).await?;
        databases.drop(&database).await?;
        let database = databases.make().await?;
        rounds.push((product(&batches, Some(&database)).await?, raw));
        databases.drop(&database).await?;
    }
    print("Postgres", "tokio-postgres", rounds);
    Ok(())
}

/// The batches of one round: as they come first, and with other content.
struct Batches {
    first: Vec<Vec<RecordInput>>,
    other: Vec<Vec<RecordInput>>,
}

impl Batches {
    fn new() -> Self {
        let batches = |title: &str| {
            let records: Vec<RecordInput> =
                (0..RECORDS).map(|number| record(number, title)).collect();
            records.chunks(BATCH).map(<[_]>::to_vec).collect()
        };
        Self {
            first: batches("As it came"),
            other: batches("As it came later"),
        }
    }
}

fn record(number: usize, title: &str) -> RecordInput {
    let json = format!(
        "{{\"value\":{number},\"title\":\"{title} {number}\",\"tags\":[\"a\",\"b\"],\"open\":true,\
         \"owner\":{{\"name\":\"Somebody\",\"email\":\"somebody@example.test\"}},\"note\":\"{}\"}}",
        "n".repeat(850)
    );
    RecordInput {
        id: format!("item-{number}"),
        json: Bytes::from(json),
    }
}

async fn product(batches: &Batches, postgres: Option<&str>) -> Result<Speeds> {
    let node = Node::start(postgres).await?;
    let new = run(&node, 1, &batches.first, Expected::Added).await?;
    let unchanged = run(&node, 2, &batches.first, Expected::Unchanged).await?;
    let changed = run(&node, 3, &batches.other, Expected::Updated).await?;
    node.stop().await?;
    Ok(Speeds {
        new,
        unchanged,
        noted: unchanged,
        changed,
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Added,
    Unchanged,
    Updated,
}

/// One run that saves everything; records per second.
async fn run(
    node: &Node,
    number: i64,
    batches: &[Vec<RecordInput>],
    expected: Expected,
) -> Result<f64> {
    let writer = node.run(number).await?;
    // Copies, so that handing them over costs the measurement nothing.
    let batches = batches.to_vec();
    let (engine, counted) = (node.engine.clone(), RECORDS as u64);
    let took = tokio::spawn(async move {
        let started = Instant::now();
        let saved = save_all(&engine, &writer, batches, expected).await?;
        ensure!(saved == counted, "{saved} of {counted} were {expected:?}");
        Ok(started.elapsed())
    });
    Ok(RECORDS as f64 / took.await??.as_secs_f64())
}

async fn save_all(
    engine: &tenon_engine::Engine,
    writer: &Writer,
    batches: Vec<Vec<RecordInput>>,
    expected: Expected,
) -> Result<u64> {
    let mut saved = 0;
    for batch in batches {
        let written = records::save(engine, writer, MODEL, batch).await?;
        saved += match expected {
            Expected::Added => written.counts.added,
            Expected::Updated => written.counts.updated,
            Expected::Unchanged => written.unchanged,
        };
    }
    Ok(saved)
}

fn raw_sqlite(batches: &Batches) -> Result<Speeds> {
    let mut raw = Sqlite::open()?;
    let mut run = |batches: &[Vec<RecordInput>], note, expected| {
        let started = Instant::now();
        let mut written = 0;
        for batch in batches {
            written += raw.save(batch, note)?;
        }
        speed(started, written, expected)
    };
    Ok(Speeds {
        new: run(&batches.first, Note::Nothing, RECORDS)?,
        unchanged: run(&batches.first, Note::Nothing, 0)?,
        noted: run(&batches.first, Note::Ids, 0)?,
        changed: run(&batches.other, Note::Nothing, RECORDS)?,
    })
}

async fn raw_postgres(batches: &Batches, url: &str) -> Result<Speeds> {
    let mut raw = Postgres::open(url).await?;
    let mut run = async |batches: &[Vec<RecordInput>], note, expected| {
        let started = Instant::now();
        let mut written = 0;
        for batch in batches {
            written += raw.save(batch, note).await?;
        }
        speed(started, written, expected)
    };
    Ok(Speeds {
        new: run(&batches.first, Note::Nothing, RECORDS).await?,
        unchanged: run(&batches.first, Note::Nothing, 0).await?,
        noted: run(&batches.first, Note::Ids, 0).await?,
        changed: run(&batches.other, Note::Nothing, RECORDS).await?,
    })
}

fn speed(started: Instant, written: usize, expected: usize) -> Result<f64> {
    let took = started.elapsed();
    ensure!(
        written == expected,
        "{written} instead of {expected} were written"
    );
    Ok(RECORDS as f64 / took.as_secs_f64())
}

/// Medians by ratio, as rounds of both were taken in turn.
fn print(database: &str, driver: &str, rounds: Vec<(Speeds, Speeds)>) {
    type Read = fn(&Speeds) -> f64;
    let kinds: [(&str, Read); 4] = [
        ("new", |speeds| speeds.new),
        ("unchanged", |speeds| speeds.unchanged),
        ("unchanged, both noting it", |speeds| speeds.noted),
        ("changed", |speeds| speeds.changed),
    ];
    for (kind, speed) in kinds {
        let mut pairs: Vec<(f64, f64)> = rounds
            .iter()
            .map(|(ours, raw)| (speed(ours), speed(raw)))
            .collect();
        pairs.sort_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)));
        let (ours, raw) = pairs[pairs.len() / 2];
        println!(
            "  {:<44} {ours:>8.0} /s   {driver} {raw:.0} /s   ratio {:.2}",
            format!("batchSave {database}, {kind}"),
            ours / raw
        );
    }
}
