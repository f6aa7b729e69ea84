/** Where Tenon is, and who calls. */
export interface TenonOptions {
    /** Base URL of Tenon; `http://localhost:3003` by default. */
    host?: string;
    /** Key of an environment. For backends only. */
    secretKey?: string;
    /** Public key of an environment. For browsers, where the environment allows it. */
    publicKey?: string;
    /** Token of a connect session that your backend opened. For browsers. */
    connectSessionToken?: string;
    /** Key that signs webhooks, for {@link Tenon.verifyWebhook}. */
    webhookSigningKey?: string;
}

export interface AuthOptions {
    /** Values of the provider's `connection_config`, for instance `{ subdomain: 'acme' }`. */
    params?: Record<string, string>;
    /** Secrets that the user typed in, where the provider has no popup. */
    credentials?: { apiKey: string } | { username: string; password?: string } | { client_id: string; client_secret: string };
    authorizationParams?: Record<string, string | undefined>;
    userScope?: string[];
    hmac?: string;
    /** Ends with `window_closed` when the user closes the window. */
    detectClosedAuthWindow?: boolean;
}

export type AuthResult =
    | { ok: true; providerConfigKey: string; connectionId: string; isPending?: boolean }
    | { ok: false; providerConfigKey: string; connectionId?: string; error: { code: string; message: string } };

export interface Target {
    providerConfigKey: string;
    connectionId: string;
}

export interface RecordMetadata {
    deleted_at: string | null;
    last_action: 'ADDED' | 'UPDATED' | 'DELETED' | 'added' | 'updated' | 'deleted';
    first_seen_at: string;
    last_modified_at: string;
    cursor: string;
    pruned_at: string | null;
}

export type TenonRecord<T> = T & { id: string; _nango_metadata: RecordMetadata };

/** Records, usable as the array that it is. */
export type Records<T> = TenonRecord<T>[] & { readonly nextCursor: string | null };

export interface ListRecords extends Target {
    model: string;
    variant?: string;
    /** Only records that changed after this instant: `modifiedAfter` of the webhook. */
    modifiedAfter?: string | Date;
    /** `added`, `updated`, `deleted`, joined by commas. */
    filter?: string;
    cursor?: string;
    ids?: string[];
    /** One page of this size. Without it, every page is fetched. */
    limit?: number;
}

export interface ConnectSession {
    end_user?: { id: string; email?: string; display_name?: string; tags?: Record<string, string> };
    organization?: { id: string; display_name?: string };
    allowed_integrations?: string[];
    tags?: Record<string, string>;
    integrations_config_defaults?: Record<string, { connection_config?: Record<string, unknown>; authorization_params?: Record<string, string>; user_scopes?: string }>;
    webhook_url_override?: string;
}

export interface ProxyCall extends Target {
    method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
    endpoint: string;
    params?: Record<string, string>;
    headers?: Record<string, string>;
    data?: unknown;
    retries?: number;
}

export interface ConnectUI {
    /** Ends when the user closes the UI; the last connection that was made, or null. */
    closed: Promise<{ providerConfigKey: string; connectionId: string; isPending?: boolean } | null>;
    close(): void;
}

export type ConnectUIEvent =
    | { type: 'ready' }
    | { type: 'connect'; payload: { providerConfigKey: string; connectionId: string; isPending?: boolean } }
    | { type: 'error'; payload: { errorType: string; errorMessage: string } }
    | { type: 'close' };

/** Webhook of a sync that changed records. */
export interface SyncWebhook {
    from: 'nango';
    type: 'sync';
    connectionId: string;
    providerConfigKey: string;
    syncName: string;
    syncVariant: string;
    model: string;
    syncType: 'INITIAL' | 'INCREMENTAL' | 'WEBHOOK';
    success: boolean;
    modifiedAfter: string;
    responseResults: { added: number; updated: number; deleted: number };
    queryTimeStamp: string | null;
}

export declare class TenonError extends Error {
    readonly status: number;
    readonly code: string;
    readonly errors?: { code: string; message: string; path: string[] }[];
    readonly payload?: unknown;
}

export declare class Tenon {
    constructor(options?: TenonOptions | string);
    auth(integrationId: string, connectionId: string, options?: AuthOptions): Promise<AuthResult>;
    auth(integrationId: string, options?: AuthOptions): Promise<AuthResult>;
    openConnectUI(options?: { sessionToken?: string; baseURL?: string; lang?: string; theme?: 'light' | 'dark' | 'system'; onEvent?: (event: ConnectUIEvent) => void }): ConnectUI;
    createConnectSession(session: ConnectSession): Promise<{ token: string; connect_link: string; expires_at: string }>;
    getConnection(connection: Target & { forceRefresh?: boolean }): Promise<Record<string, unknown> & { credentials: Record<string, unknown> }>;
    listConnections(filter?: { connectionId?: string; search?: string; endUserId?: string; integrationId?: string; limit?: number; page?: number }): Promise<Record<string, unknown>[]>;
    deleteConnection(connection: Target): Promise<void>;
    listRecords<T = Record<string, unknown>>(query: ListRecords): Promise<Records<T>>;
    triggerAction<O = unknown, I = unknown>(action: Target & { action: string; input?: I }): Promise<O>;
    triggerSync(sync: Target & { syncs?: string[] }): Promise<unknown>;
    proxy(call: ProxyCall): Promise<Response>;
    verifyWebhook(body: string | Uint8Array, headers: Headers | Record<string, string | string[] | undefined>, signingKey?: string): Promise<boolean>;
}

export default Tenon;
