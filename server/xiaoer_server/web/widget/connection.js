/** The visitor's WebSocket: opens it, notices when it is dead, and comes back with backoff, resuming the log. */

const OPEN_WITHIN = 10_000;
const QUIET = 25_000;
const PONG_WITHIN = 10_000;
const STABLE_AFTER = 3_000;

/** Milliseconds before attempt number `attempt`: half to whole of 0.5 s · 2^attempt, at most 30 s. */
export function backoff(attempt, random = Math.random) {
  const whole = Math.min(30_000, 500 * 2 ** attempt);
  return (whole / 2) * (1 + random());
}

/**
 * States told to `hooks.state(name, code)`: connecting, open, waiting (for the next attempt), offline, and
 * refused (the server does not serve this page; only the visitor can ask again).
 * `hooks.cursor()` gives the `resume` frame's fields, `hooks.frame(frame)` gets what the server sent.
 */
export class Connection {
  constructor(session, hooks) {
    this.session = session;
    this.hooks = hooks;
    this.state = "idle";
    this.attempt = 0;
    this.refused = false;
    this.socket = null;
    this.turn = 0;
    this.wake = () => this.state === "waiting" && document.visibilityState === "visible" && this.connect();
    this.online = () => this.state === "offline" && this.connect();
    this.offline = () => this.state !== "idle" && this.lose("offline");
  }

  get open() {
    return this.state === "open";
  }

  start() {
    if (this.state !== "idle") return;
    addEventListener("online", this.online);
    addEventListener("offline", this.offline);
    document.addEventListener("visibilitychange", this.wake);
    this.connect();
  }

  stop() {
    removeEventListener("online", this.online);
    removeEventListener("offline", this.offline);
    document.removeEventListener("visibilitychange", this.wake);
    this.lose("idle");
  }

  /** Sends one frame; false when there is no open socket. */
  send(frame) {
    if (!this.open || this.socket.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(frame));
    return true;
  }

  /** Drops the socket and resumes on a new one: the log has a gap, or the server asked for it. */
  again(delay = 0) {
    this.lose("waiting");
    this.schedule(Math.max(delay, this.attempt > 1 ? backoff(this.attempt) : 0));
  }

  async connect() {
    if (!navigator.onLine) return this.lose("offline");
    this.lose("connecting");
    const turn = this.turn;
    let token;
    try {
      token = await this.session.token(this.refused);
    } catch (error) {
      if (turn !== this.turn) return;
      if (error.final) this.become("refused", error.code);
      else this.schedule(Math.max((error.retryAfter ?? 0) * 1000, backoff(this.attempt)));
      return;
    }
    if (turn !== this.turn) return;
    this.refused = false;
    const address = new URL("api/chat/ws", this.session.server);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    address.search = new URLSearchParams({ token, html: "1" });
    const socket = (this.socket = new WebSocket(address, ["xiaoer.v1"]));
    this.timer = setTimeout(() => this.again(backoff(this.attempt)), OPEN_WITHIN);
    socket.onopen = () => {
      clearTimeout(this.timer);
      this.stable = setTimeout(() => (this.attempt = 0), STABLE_AFTER);
      socket.send(JSON.stringify({ type: "resume", ...this.hooks.cursor() }));
      this.become("open");
      this.listen();
    };
    socket.onmessage = ({ data }) => {
      this.listen();
      this.hooks.frame(JSON.parse(data));
    };
    socket.onclose = ({ code }) => this.closed(code);
  }

  closed(code) {
    // A browser does not tell why a handshake failed. If the token was the reason, a renewed one helps.
    this.refused = this.state === "connecting";
    // A restarting server has all its visitors back at once: spread them over a second, but don't wait longer.
    if (code === 1012 && this.attempt < 2) this.again(100 + 900 * Math.random());
    else {
      this.lose("waiting");
      this.schedule(backoff(this.attempt));
    }
  }

  schedule(delay) {
    this.attempt += 1;
    this.become("waiting");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.connect(), delay);
  }

  /** Any frame shows that the link lives; after a quiet while we ask for one. */
  listen() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.send({ type: "ping" });
      this.timer = setTimeout(() => this.again(), PONG_WITHIN);
    }, QUIET);
  }

  /** Lets go of the socket at once: a dead link would take its close event minutes to fire. */
  lose(state) {
    this.turn += 1;
    clearTimeout(this.timer);
    clearTimeout(this.stable);
    const socket = this.socket;
    this.socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
    this.become(state);
  }

  become(state, code) {
    if (state === this.state) return;
    this.state = state;
    this.hooks.state(state, code);
  }
}
