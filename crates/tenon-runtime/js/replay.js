// The `nango` object of a replay: what the fixture mocks offer (functions.md, 5.5), and `uncontrolledFetch`, which tests
// otherwise have to add by themselves.
"use strict";

const { host, hostRecords, ActionError } = shared;
const { send, uncontrolledFetch } = require("http");
const { paginate } = require("paginate");

const WEBHOOK_URL = "https://example.com/webhook";

function checkpoints() {
  let kept = null;
  return {
    getCheckpoint: async () => kept,
    saveCheckpoint: async (checkpoint) => {
      kept = checkpoint;
    },
    clearCheckpoint: async () => {
      kept = null;
    },
  };
}

function records() {
  const write = (operation) => async (batch, model) => {
    if (Array.isArray(batch)) await hostRecords(operation, String(model), batch, true);
    return true;
  };
  return {
    batchSave: write("save"),
    batchDelete: write("delete"),
    listRecords: async function* () {},
    lastSyncDate: null,
    ...checkpoints(),
  };
}

/** Makes the object; `host` answers from the fixture. */
exports.create = (context, door) => {
  const proxy = (config) => send(config, true);
  const verb = (method) => (config) => proxy({ ...config, method });
  const members = {
    log: async () => {},
    ActionError,
    connectionId: context.connection_id,
    providerConfigKey: context.provider_config_key,
    provider: context.provider,
    getConnection: (providerConfigKey, connectionId) =>
      host("GetConnection", {
        provider_config_key: providerConfigKey ?? null,
        connection_id: connectionId ?? null,
        force_refresh: false,
        refresh_token: false,
        refresh_github_app_jwt_token: false,
      }),
    getMetadata: () => host("GetMetadata"),
    updateMetadata: async () => {},
    getWebhookURL: async () => WEBHOOK_URL,
    proxy,
    get: verb("GET"),
    post: verb("POST"),
    put: verb("PUT"),
    patch: verb("PATCH"),
    delete: verb("DELETE"),
    uncontrolledFetch,
    paginate: async function* (config) {
      const settings = await host("PaginationSettings", { provider_config_key: null });
      const page = async (call) => {
        const response = await proxy(call);
        return { ...response, status: response?.status ?? 200, headers: response?.headers ?? {} };
      };
      yield* paginate(config, settings, page, true);
    },
    zodValidateInput: async ({ input }) => ({ data: input }),
    deleteRecordsFromPreviousExecutions: async () => ({ deletedKeys: [] }),
    trackDeletesStart: async () => {},
    trackDeletesEnd: async () => ({ deletedKeys: [] }),
  };
  return door === "sync" || door === "webhook" ? Object.assign(members, records()) : members;
};
