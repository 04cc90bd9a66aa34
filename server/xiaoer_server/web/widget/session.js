/** Who the visitor is: a signed token, kept per server and tenant and renewed when the server refuses it. */
import { storage } from "./dom.js";

/** A refusal over HTTP: `code` as in the server's problem+json, `retryAfter` in seconds where waiting helps. */
export class Refusal extends Error {
  constructor(code, status, retryAfter) {
    super(code);
    this.code = code;
    this.retryAfter = retryAfter;
    this.final = retryAfter === undefined && status >= 400 && status < 500 && status !== 429;
  }
}

export class Session {
  /** `server` is the address that the widget was loaded from, with a trailing slash. */
  constructor(server, tenant) {
    this.server = server;
    this.tenant = tenant;
    this.key = `xiaoer:${server}:${tenant}`;
    this.store = storage("localStorage");
    this.current = this.load();
  }

  load() {
    try {
      const kept = JSON.parse(this.store.getItem(this.key));
      return kept?.token ? kept : null;
    } catch {
      return null;
    }
  }

  /** Whether this browser has talked to this tenant before. */
  get known() {
    return this.current !== null;
  }

  /**
   * The token to connect with. `refused` says that the current one was turned down.
   * Rejects with Refusal when the server says no, with TypeError or a time-out when it is out of reach.
   */
  async token(refused) {
    const kept = this.load();
    // Another tab may have renewed it meanwhile; then that visitor's conversation is ours as well.
    if (kept && kept.token !== this.current?.token) this.current = kept;
    else if (refused || !this.current) await this.renew();
    return this.current.token;
  }

  async renew() {
    const old = this.current;
    try {
      this.current = await this.request(old);
    } catch (error) {
      if (!old || !error.final || error.code === "forbidden_origin") throw error;
      // The server no longer knows this visitor (new key, wiped data): begin as a new one.
      this.current = await this.request(null);
    }
    try {
      this.store.setItem(this.key, JSON.stringify(this.current));
    } catch {
      // A full store only costs the visitor the history after a reload.
    }
  }

  async request(old) {
    const headers = { "content-type": "application/json" };
    if (old) headers.authorization = `Bearer ${old.token}`;
    const response = await fetch(new URL("api/visitor/sessions", this.server), {
      method: "POST",
      headers,
      credentials: "omit",
      body: JSON.stringify({ tenant: this.tenant, visitor: old?.visitor }),
      signal: AbortSignal.timeout(10_000),
    });
    const body = await response.json().catch(() => ({}));
    if (response.ok) return { token: body.token, visitor: body.visitor, conversation: body.conversation };
    const wait = Number(body.retry_after ?? response.headers.get("retry-after") ?? NaN);
    throw new Refusal(body.code ?? "other", response.status, Number.isNaN(wait) ? undefined : wait);
  }
}
