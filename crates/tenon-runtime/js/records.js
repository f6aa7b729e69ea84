// The members of the `nango` object that only syncs have (functions.md, 2.11).
"use strict";

const { host, hostRecords } = shared;

const IDS_PER_CALL = 100;

const text = (value) => String(value).toWellFormed();
const textOrNull = (value) => (value === undefined || value === null ? null : text(value));

exports.members = (context, log) => {
  const chosen = new Set();

  function declared(model) {
    const name = text(model);
    if (!context.models.includes(name)) throw new Error(`The model '${name}' is not included in the declared sync models`);
    return name;
  }

  const write = (operation) => async (batch, model) => {
    if (batch === null || batch === undefined || batch.length === 0) return true;
    if (!Array.isArray(batch)) throw new TypeError(`The records to ${operation} must be an array`);
    await hostRecords(operation, declared(model), batch, false);
    return true;
  };
  const batchSave = write("save");

  async function getRecordsByIds(ids, model) {
    const name = declared(model);
    const found = new Map();
    for (let start = 0; start < ids.length; start += IDS_PER_CALL) {
      const given = new Map(ids.slice(start, start + IDS_PER_CALL).map((id) => [String(id), id]));
      const page = await host("GetRecordsByIds", { model: name, ids: [...given.keys()].map(text) });
      for (const record of page.records) {
        const id = String(record.id);
        if (given.has(id)) found.set(given.get(id), record);
      }
    }
    return found;
  }

  async function* listRecords(model, options) {
    const name = declared(model);
    let cursor = textOrNull(options?.cursor);
    do {
      const page = await host("ListRecords", { model: name, cursor });
      yield* page.records;
      cursor = page.next_cursor;
    } while (cursor);
  }

  async function setMergingStrategy(options, model) {
    const name = declared(model);
    if (chosen.has(name)) {
      await log(`The merging strategy of '${name}' is already set`, { level: "warn" });
      return;
    }
    const strategy = options?.strategy;
    if (strategy !== "override" && strategy !== "ignore_if_modified_after") throw new Error(`'${strategy}' is not a merging strategy`);
    await host("SetMergingStrategy", { model: name, strategy });
    chosen.add(name);
  }

  return {
    batchSave,
    batchSend: batchSave,
    batchUpdate: write("update"),
    batchDelete: write("delete"),
    getRecordsByIds,
    listRecords,
    setMergingStrategy,
    deleteRecordsFromPreviousExecutions: async (model) => host("DeleteRecordsFromPreviousExecutions", { model: declared(model) }),
    trackDeletesStart: async (model) => {
      await host("TrackDeletesStart", { model: declared(model) });
    },
    trackDeletesEnd: async (model) => host("TrackDeletesEnd", { model: declared(model) }),
    getFlowAttributes: () => ({}),
    variant: context.variant || "base",
    lastSyncDate: typeof context.last_sync_ms === "number" ? new Date(context.last_sync_ms) : undefined,
    track_deletes: context.track_deletes,
    emptyCache: context.empty_cache,
  };
};
