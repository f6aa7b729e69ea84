// The `nango` object of real runs (functions.md, section 2).
"use strict";

const { host, ActionError, fitting, PAYLOAD_BYTES } = shared;
const { guarded } = require("guard");

// Loaded at the first request: many runs make none, and a run that waits for a timer keeps nothing of it.
const http = () => require("http");

const CONNECTION_MS = 60_000;
const INTEGRATION_MS = 10 * 60_000;
const LEVELS = ["debug", "info", "warn", "error", "off"];
const OLD_LEVELS = { verbose: "debug", silly: "debug", http: "info" };

const levelOf = (name) => (Object.hasOwn(OLD_LEVELS, name) ? OLD_LEVELS[name] : LEVELS.includes(name) ? name : undefined);
const isRecord = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const text = (value) => String(value).toWellFormed();
const textOrNull = (value) => (value === undefined || value === null ? null : text(value));

/** Values that stay good for a while, by key. */
class Memory {
  constructor(lifetime) {
    this.lifetime = lifetime;
    this.values = new Map();
  }
  find(key) {
    const found = this.values.get(key);
    return found && Date.now() - found.at < this.lifetime ? found.value : undefined;
  }
  keep(key, value) {
    this.values.set(key, { value, at: Date.now() });
    return value;
  }
  drop(key) {
    this.values.delete(key);
  }
}

function properties(context, door) {
  return {
    connectionId: context.connection_id,
    providerConfigKey: context.provider_config_key,
    provider: context.provider,
    environmentId: context.environment_id,
    environmentName: context.environment_name,
    accountId: context.account_id,
    activityLogId: context.activity_log_id,
    scriptType: door,
    isCLI: false,
    syncId: context.sync_id ?? undefined,
    syncJobId: context.sync_job_id ?? undefined,
    nangoConnectionId: context.nango_connection_id ?? undefined,
    syncConfig: { sync_name: context.function, type: door, models: context.models },
    runnerFlags: {},
    ActionError,
  };
}

function logging(context) {
  const logger = { level: context.log_level };

  async function log(...parts) {
    const last = parts.at(-1);
    const options = parts.length > 1 && isRecord(last) && "level" in last ? parts.pop() : undefined;
    const level = levelOf(options?.level) ?? "info";
    if (LEVELS.indexOf(level) < LEVELS.indexOf(logger.level)) return;
    const [first, ...rest] = parts;
    let message = typeof first === "string" ? first : (JSON.stringify(first) ?? String(first));
    let payload = rest.length === 0 ? null : rest.length === 1 ? rest[0] : rest;
    if (Array.isArray(payload)) payload = Object.fromEntries(payload.map((item, index) => [String(index), item]));
    if (payload instanceof Error) payload = { name: payload.name, message: payload.message };
    const whole = payload;
    payload = fitting(payload, PAYLOAD_BYTES) ?? null;
    if (message.length > PAYLOAD_BYTES / 4) message = `${message.slice(0, PAYLOAD_BYTES / 4)}... (truncated)`;
    else if (payload !== whole && whole !== undefined) message = `${message} (payload truncated)`;
    try {
      await host("Log", { level, message: text(message), payload });
    } catch (error) {
      // A log line that is lost never fails the function; a cancelled run does end.
      if (error?.type === "script_aborted") throw error;
    }
  }

  const setLogger = (wanted) => {
    const level = levelOf(wanted?.level);
    if (level && logger.level !== "off") logger.level = level;
  };
  return { logger, log, setLogger };
}

function requests(context, connections) {
  const keyOf = (config) => `${config?.providerConfigKey ?? context.provider_config_key}\n${config?.connectionId ?? context.connection_id}`;
  async function proxy(config) {
    try {
      return await http().send(config, false);
    } catch (error) {
      if (error?.response?.status === 401) connections.drop(keyOf(config));
      throw error;
    }
  }
  const verb = (method) => (config) => proxy({ ...config, method });
  async function* pages(config) {
    const settings = await host("PaginationSettings", { provider_config_key: textOrNull(config?.providerConfigKey) });
    yield* require("paginate").paginate(config, settings, proxy, false);
  }
  return {
    proxy,
    get: verb("GET"),
    post: verb("POST"),
    put: verb("PUT"),
    patch: verb("PATCH"),
    delete: verb("DELETE"),
    paginate: pages,
    uncontrolledFetch: async (options) => http().uncontrolledFetch(options),
  };
}

function surroundings(context, connections) {
  const integrations = new Memory(INTEGRATION_MS);
  const current = `${context.provider_config_key}\n${context.connection_id}`;

  async function getConnection(providerConfigKey, connectionId, options) {
    const key = `${providerConfigKey ?? context.provider_config_key}\n${connectionId ?? context.connection_id}`;
    const special = Boolean(options?.forceRefresh || options?.refreshToken || options?.refreshGithubAppJwtToken);
    const known = special ? undefined : connections.find(key);
    if (known) return known;
    const connection = await host("GetConnection", {
      provider_config_key: textOrNull(providerConfigKey),
      connection_id: textOrNull(connectionId),
      force_refresh: Boolean(options?.forceRefresh),
      refresh_token: Boolean(options?.refreshToken),
      refresh_github_app_jwt_token: Boolean(options?.refreshGithubAppJwtToken),
    });
    return special ? connection : connections.keep(key, connection);
  }

  const getMetadata = async () => (await getConnection()).metadata;

  async function change(call, metadata) {
    if (!isRecord(metadata)) throw new Error("Metadata must be an object");
    await host(call, { metadata });
    connections.drop(current);
  }

  async function getIntegration(query) {
    const include = (query?.include ?? []).map(text);
    const key = include.join(",");
    return integrations.find(key) ?? integrations.keep(key, await host("GetIntegration", { include }));
  }

  return {
    getConnection,
    getMetadata,
    getToken: () => host("GetToken"),
    setMetadata: (metadata) => change("SetMetadata", metadata),
    updateMetadata: (metadata) => change("UpdateMetadata", metadata),
    getIntegration,
    getWebhookURL: async () => (await getIntegration({ include: ["webhook"] })).webhook_url,
    getEnvironmentVariables: () => host("GetEnvironmentVariables"),
    getFieldMapping: async () => (await getMetadata())?.fieldMapping ?? {},
    setFieldMapping: (fieldMapping) => change("UpdateMetadata", { fieldMapping }),
  };
}

function others() {
  const plain = (value) => (value === undefined ? null : value);
  return {
    triggerAction: (providerConfigKey, connectionId, action, input) =>
      host("TriggerAction", {
        provider_config_key: text(providerConfigKey),
        connection_id: text(connectionId),
        action: text(action),
        input: plain(input),
      }),
    triggerSync: (providerConfigKey, connectionId, sync, options) =>
      host("TriggerSync", {
        provider_config_key: text(providerConfigKey),
        connection_id: text(connectionId),
        sync: plain(sync),
        options: plain(options),
      }),
    startSync: (providerConfigKey, syncs, connectionId) =>
      host("StartSync", {
        provider_config_key: text(providerConfigKey),
        syncs: Array.isArray(syncs) ? syncs : [plain(syncs)],
        connection_id: textOrNull(connectionId),
      }),
  };
}

function validation(log) {
  async function zodValidateInput({ zodSchema, input }) {
    const result = zodSchema.safeParse(input);
    if (result.success) return result;
    for (const issue of result.error.issues ?? result.error.errors ?? []) {
      const path = (issue.path ?? []).map(String).join(".");
      await log(path ? `Invalid input at '${path}': ${issue.message}` : `Invalid input: ${issue.message}`, { level: "error" });
    }
    throw new ActionError({ message: "Invalid input provided" });
  }
  return { zodValidateInput };
}

function state() {
  return {
    getCheckpoint: () => host("GetCheckpoint"),
    saveCheckpoint: async (checkpoint) => {
      if (!isRecord(checkpoint)) throw new Error("Error saving checkpoint: it must be an object");
      for (const [key, value] of Object.entries(checkpoint)) {
        if (!["string", "number", "boolean"].includes(typeof value)) {
          throw new Error(`Error saving checkpoint: '${key}' must be a string, a number or a boolean`);
        }
      }
      await host("SaveCheckpoint", { checkpoint });
    },
    clearCheckpoint: () => host("ClearCheckpoint"),
    tryAcquireLock: ({ key, ttlMs }) => {
      if (!(Number(ttlMs) > 0)) throw new Error("The time to live of a lock must be above 0");
      return host("TryAcquireLock", { key: lockKey(key), ttl_ms: Math.min(Math.ceil(Number(ttlMs)), Number.MAX_SAFE_INTEGER) });
    },
    releaseLock: ({ key }) => host("ReleaseLock", { key: lockKey(key) }),
    releaseAllLocks: () => host("ReleaseAllLocks"),
  };
}

function lockKey(key) {
  if (typeof key !== "string" || key.length < 1 || key.length > 255) throw new Error("The key of a lock must have 1 to 255 characters");
  return text(key);
}

/** Makes the object. `door` is `sync`, `action`, `webhook` or `on-event`; the first and third have records. */
exports.create = (context, door) => {
  const connections = new Memory(CONNECTION_MS);
  const logs = logging(context);
  const members = Object.assign(
    Object.create(null),
    properties(context, door),
    logs,
    requests(context, connections),
    surroundings(context, connections),
    others(),
    validation(logs.log),
    state(),
    door === "sync" || door === "webhook" ? require("records").members(context, logs.log) : { getFlowAttributes: () => null },
  );
  return guarded(members);
};
