// The Tenon client: plain fetch, no dependencies, the same file in browsers and in Node.

const DEFAULT_HOST = 'http://localhost:3003';

/** Records per request when all are wanted. */
const PAGE = 1000;

/** An answer that is not a success. */
export class TenonError extends Error {
    constructor(message, { status = 0, code = 'unknown_error', errors, payload } = {}) {
        super(message);
        this.name = 'TenonError';
        this.status = status;
        this.code = code;
        this.errors = errors;
        this.payload = payload;
    }
}

export class Tenon {
    #options;

    constructor(options = {}) {
        const given = typeof options === 'string' ? { secretKey: options } : options;
        this.#options = { ...given, host: (given.host ?? DEFAULT_HOST).replace(/\/+$/, '') };
    }

    // ------------------------------------------------------------------------------------------------ browser

    /**
     * Asks the user to allow the access, in a popup. Call it from a click. Never throws for what the user or the provider
     * does: look at `ok`.
     */
    async auth(integrationId, connectionIdOrOptions, maybeOptions) {
        const byId = typeof connectionIdOrOptions === 'string';
        const connectionId = byId ? connectionIdOrOptions : undefined;
        const options = (byId ? maybeOptions : connectionIdOrOptions) ?? {};
        const failed = (code, message) => ({ ok: false, providerConfigKey: integrationId, connectionId, error: { code, message } });
        if (!this.#options.publicKey && !this.#options.connectSessionToken) {
            return failed('missing_auth_token', 'give the client a `publicKey` or a `connectSessionToken`');
        }
        if (options.credentials) return this.#authByPost(integrationId, connectionId, options, failed);
        return this.#authByPopup(integrationId, connectionId, options, failed);
    }

    /** Shows the Connect UI over the page. Resolves when the user closes it, with the last connection that was made. */
    openConnectUI({ sessionToken = this.#options.connectSessionToken, baseURL, lang, theme, onEvent = () => {} } = {}) {
        const base = new URL(baseURL ?? `${this.#options.host}/connect-ui/`);
        if (!base.pathname.endsWith('/')) base.pathname += '/';
        base.searchParams.set('apiURL', this.#options.host);
        base.searchParams.set('detectClosedAuthWindow', 'true');
        if (lang) base.searchParams.set('lang', lang);
        if (theme) base.searchParams.set('theme', theme);

        const frame = document.createElement('iframe');
        frame.src = base.href;
        frame.allow = 'clipboard-write';
        frame.title = 'Connect an account';
        frame.style.cssText = 'position:fixed;inset:0;z-index:9999;width:100vw;height:100vh;border:0;background:transparent';
        const overflow = document.body.style.overflow;
        let connection = null;
        let close;
        const closed = new Promise((resolve) => {
            const give = (token) => frame.contentWindow?.postMessage({ type: 'session_token', sessionToken: token }, base.origin);
            const listen = (event) => {
                if (event.source !== frame.contentWindow || event.origin !== base.origin) return;
                const { type, payload } = event.data ?? {};
                if (type === 'ready' && sessionToken) give(sessionToken);
                if (type === 'connect') connection = payload;
                onEvent(event.data);
                if (type === 'close') close();
            };
            close = () => {
                window.removeEventListener('message', listen);
                frame.remove();
                document.body.style.overflow = overflow;
                resolve(connection);
            };
            window.addEventListener('message', listen);
        });
        document.body.style.overflow = 'hidden';
        document.body.append(frame);
        return { closed, close };
    }

    #flowQuery(connectionId, options) {
        const query = new URLSearchParams();
        const { publicKey, connectSessionToken } = this.#options;
        if (connectSessionToken) query.set('connect_session_token', connectSessionToken);
        else query.set('public_key', publicKey);
        if (connectionId) query.set('connection_id', connectionId);
        if (options.hmac) query.set('hmac', options.hmac);
        if (options.userScope?.length) query.set('user_scope', options.userScope.join(','));
        for (const [name, value] of Object.entries(options.params ?? {})) query.set(`params[${name}]`, value);
        for (const [name, value] of Object.entries(options.authorizationParams ?? {})) query.set(`authorization_params[${name}]`, value ?? 'undefined');
        return query;
    }

    async #authByPost(integrationId, connectionId, options, failed) {
        const { credentials } = options;
        const key = encodeURIComponent(integrationId);
        const path = 'apiKey' in credentials ? `/api-auth/api-key/${key}`
            : 'client_id' in credentials ? `/oauth2/auth/${key}`
            : 'username' in credentials || 'password' in credentials ? `/api-auth/basic/${key}`
            : null;
        if (!path) return failed('missing_credentials', 'give `apiKey`, `username` and `password`, or `client_id` and `client_secret`');
        try {
            const result = await this.#call('POST', `${path}?${this.#flowQuery(connectionId, options)}`, { body: credentials, key: null });
            return { ok: true, ...result };
        } catch (problem) {
            return failed(problem.code ?? 'unknown_error', problem.message);
        }
    }

    #authByPopup(integrationId, connectionId, options, failed) {
        // Opened at once: browsers only allow it while the click is being handled.
        const popup = window.open('', '_blank', 'width=500,height=600,resizable,scrollbars');
        if (!popup) return Promise.resolve(failed('blocked_by_browser', 'the browser did not open a window; allow pop-ups for this site'));
        const socketUrl = new URL(this.#options.host);
        socketUrl.protocol = socketUrl.protocol === 'https:' ? 'wss:' : 'ws:';
        const socket = new WebSocket(socketUrl);
        return new Promise((resolve) => {
            const settle = (result) => {
                clearInterval(watch);
                socket.close();
                setTimeout(() => popup.close(), 500);
                resolve(result);
            };
            // A provider that isolates its pages looks closed too, so this is only told on request.
            const watch = setInterval(() => {
                if (options.detectClosedAuthWindow && popup.closed) settle(failed('window_closed', 'the window was closed before the access was allowed'));
            }, 500);
            socket.onerror = () => settle(failed('network', `${this.#options.host} cannot be reached`));
            socket.onmessage = ({ data }) => {
                const message = JSON.parse(data);
                if (message.message_type === 'connection_ack') {
                    const query = this.#flowQuery(connectionId, options);
                    query.set('ws_client_id', message.ws_client_id);
                    popup.location = `${this.#options.host}/oauth/connect/${encodeURIComponent(integrationId)}?${query}`;
                } else if (message.message_type === 'success') {
                    settle({ ok: true, providerConfigKey: message.provider_config_key, connectionId: message.connection_id, isPending: message.is_pending ?? false });
                } else if (message.message_type === 'error') {
                    settle(failed(message.error_type, message.error_desc));
                }
            };
        });
    }

    // ------------------------------------------------------------------------------------------------- backend

    /** Opens a session of the Connect UI for one of your users. */
    async createConnectSession(session) {
        return (await this.#call('POST', '/connect/sessions', { body: session })).data;
    }

    async getConnection({ providerConfigKey, connectionId, forceRefresh = false }) {
        const query = new URLSearchParams({ provider_config_key: providerConfigKey, force_refresh: String(forceRefresh) });
        return this.#call('GET', `/connections/${encodeURIComponent(connectionId)}?${query}`);
    }

    async listConnections(filter = {}) {
        const query = new URLSearchParams(Object.entries(filter).filter(([, value]) => value !== undefined).map(([name, value]) => [name, String(value)]));
        return (await this.#call('GET', `/connections?${query}`)).connections;
    }

    async deleteConnection({ providerConfigKey, connectionId }) {
        await this.#call('DELETE', `/connections/${encodeURIComponent(connectionId)}?${new URLSearchParams({ provider_config_key: providerConfigKey })}`);
    }

    /**
     * Records of a model, oldest change first: an array, with `nextCursor` on it when there are more. Without `limit` every
     * page is fetched.
     */
    async listRecords({ providerConfigKey, connectionId, model, variant, modifiedAfter, filter, cursor, ids, limit }) {
        const records = [];
        let next = cursor;
        do {
            const query = new URLSearchParams({ model });
            const optional = { variant, filter, cursor: next, limit: limit ?? PAGE };
            for (const [name, value] of Object.entries(optional)) if (value !== undefined && value !== null) query.set(name, String(value));
            if (modifiedAfter) query.set('modified_after', modifiedAfter instanceof Date ? modifiedAfter.toISOString() : modifiedAfter);
            for (const id of ids ?? []) query.append('ids', id);
            const page = await this.#call('GET', `/records?${query}`, { target: { providerConfigKey, connectionId } });
            for (const record of page.records) records.push(record);
            next = page.next_cursor;
        } while (next && limit === undefined);
        return Object.defineProperty(records, 'nextCursor', { value: next ?? null, enumerable: false });
    }

    /** Runs an action and returns its output. */
    async triggerAction({ providerConfigKey, connectionId, action, input }) {
        const body = { action_name: action, ...(input === undefined ? {} : { input }) };
        return this.#call('POST', '/action/trigger', { body, target: { providerConfigKey, connectionId } });
    }

    /** Starts syncs now; all of the integration when none is named. */
    async triggerSync({ providerConfigKey, connectionId, syncs = [] }) {
        const body = { provider_config_key: providerConfigKey, connection_id: connectionId, syncs };
        return this.#call('POST', '/sync/trigger', { body });
    }

    /** Calls the external API with the credentials of a connection. Returns the `Response` as it is. */
    async proxy({ providerConfigKey, connectionId, method = 'GET', endpoint, params, headers = {}, data, retries }) {
        const path = endpoint.startsWith('/') ? endpoint : `/${endpoint}`;
        const query = params ? `${path.includes('?') ? '&' : '?'}${new URLSearchParams(params)}` : '';
        const sent = { 'Connection-Id': connectionId, 'Provider-Config-Key': providerConfigKey };
        if (retries) sent.Retries = String(retries);
        for (const [name, value] of Object.entries(headers)) sent[`Nango-Proxy-${name}`] = value;
        return this.#fetch(method, `/proxy${path}${query}`, { body: data, headers: sent });
    }

    /**
     * Whether a webhook comes from your Tenon. `body` is the text as it arrived, before any parsing; `headers` an object or
     * `Headers`.
     */
    async verifyWebhook(body, headers, signingKey = this.#options.webhookSigningKey) {
        if (!signingKey) throw new TenonError('give the client a `webhookSigningKey`', { code: 'missing_signing_key' });
        const name = 'x-nango-hmac-sha256';
        const entry = typeof headers.get === 'function' ? headers.get(name) : Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1];
        if (typeof entry !== 'string' || !/^[0-9a-f]{64}$/i.test(entry)) return false;
        const encoder = new TextEncoder();
        const key = await crypto.subtle.importKey('raw', encoder.encode(signingKey), { name: 'HMAC', hash: 'SHA-256' }, false, ['verify']);
        const signature = Uint8Array.from(entry.match(/../g), (pair) => parseInt(pair, 16));
        return crypto.subtle.verify('HMAC', key, signature, typeof body === 'string' ? encoder.encode(body) : body);
    }

    async #call(method, path, options = {}) {
        const response = await this.#fetch(method, path, options);
        const text = await response.text();
        let data = null;
        try {
            data = text ? JSON.parse(text) : null;
        } catch {
            // Something in between answered.
        }
        if (response.ok) return data;
        const error = data?.error ?? {};
        const issues = error.errors?.map((issue) => `${issue.path?.join('.') ?? ''} ${issue.message}`.trim()).join('; ');
        throw new TenonError(error.message ?? issues ?? `${method} ${path.split('?')[0]} answered ${response.status}`, {
            status: response.status,
            code: error.code,
            errors: error.errors,
            payload: error.payload,
        });
    }

    async #fetch(method, path, { body, headers = {}, target, key = this.#options.secretKey } = {}) {
        const sent = { ...headers };
        if (key) sent.Authorization = `Bearer ${key}`;
        if (target) Object.assign(sent, { 'Connection-Id': target.connectionId, 'Provider-Config-Key': target.providerConfigKey });
        const json = body !== undefined && typeof body !== 'string' && !(body instanceof Uint8Array);
        if (json) sent['Content-Type'] = 'application/json';
        try {
            return await fetch(`${this.#options.host}${path}`, { method, headers: sent, body: json ? JSON.stringify(body) : body });
        } catch (cause) {
            throw new TenonError(`${this.#options.host} cannot be reached`, { code: 'network', payload: String(cause) });
        }
    }
}

export default Tenon;
