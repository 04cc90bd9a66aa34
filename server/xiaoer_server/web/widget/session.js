/** Who the visitor is: a signed token, kept per server and tenant. */
import { storage } from "./dom.js";

/** A refusal over HTTP; `retryAfter` in seconds where waiting helps, `final` where it doesn't. */
export class Refusal extends Error {
  constructor(code, status, retryAfter) {
    super(code);
    this.code = code;
    this.retryAfter = retryAfter;
    this.final = retryAfter === undefined && status >= 400 && status < 500 && status !== 429;
  }
}

export class Session {
  constructor(server, tenant) {
    this.server = server;
    this.tenant = tenant;
    this.key = `xiaoer:${server}:${tenant}`;
    this.store = storage("localStorage");
    this.current = this.store.get(this.key);
  }

  /** Has been here before. */
  get known() {
    return this.current !== null;
  }

  /** The token to connect with; `refused`: the current one was turned down. Rejects with Refusal or a network error. */
  async token(refused) {
    const kept = this.store.get(this.key);
    // Another tab may have renewed it meanwhile.
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
      // No longer known there (new key, wiped data): a new visitor.
      this.current = await this.request(null);
    }
    this.store.set(this.key, this.current);
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
    if (response.ok) return body;
    throw new Refusal(body.code, response.status, body.retry_after);
  }
}
