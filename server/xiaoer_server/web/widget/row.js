/** One entry on the screen: made once, changed in place. */
import { h, icon, showHtml } from "./dom.js";

/** The address if a link may lead there, else null. */
function safeLink(address, base) {
  try {
    const url = new URL(address, base);
    return /^(https?|mailto|tel):$/.test(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

export class Row {
  constructor(entry, server, chat) {
    this.entry = entry;
    this.server = server;
    this.chat = chat;
    this.author = h("span", { class: "sr" });
    this.time = h("div", { class: "time", hidden: true });
    this.name = h("div", { class: "name", hidden: true });
    this.text = h("div", { class: "text" });
    this.grown = null;
    this.node = h("div", {}, this.time, this.name, h("div", { class: "bubble" }, this.author, this.text));
  }

  /** `before` is the entry above it. */
  update(t, before) {
    const { entry, node } = this;
    const { role, state, done } = entry;
    node.className = `row ${role}`;
    if (entry.seq) node.dataset.seq = entry.seq;
    if (entry.clientId) node.dataset.state = state;
    this.author.textContent = { visitor: t.you, assistant: t.assistant, agent: `${t.agent}: ` }[role] ?? "";
    this.name.textContent = t.agent;
    this.name.hidden = role !== "agent";
    if (done && entry.html !== undefined) this.showHtml();
    else this.showText();
    this.text.classList.toggle("growing", !done);
    this.showSources(t);
    this.showThumbs(t);
    this.showNote(t);
    this.stamp(t.tag, before);
  }

  /** Only what is new is added: a long answer costs no more a token than a short one. */
  showText() {
    const { text } = this.entry;
    if (this.grown && text.startsWith(this.grown.data)) {
      this.grown.appendData(text.slice(this.grown.length));
      return;
    }
    this.shown = undefined;
    this.grown = document.createTextNode(text);
    this.text.classList.add("plain");
    this.text.replaceChildren(this.grown);
  }

  showHtml() {
    const { html, text } = this.entry;
    if (this.shown === html) return;
    this.shown = html;
    this.grown = null;
    this.text.classList.remove("plain");
    showHtml(this.text, html, text);
    for (const link of this.text.querySelectorAll("a")) {
      const address = safeLink(link.getAttribute("href"), this.server);
      if (address) Object.assign(link, { href: address, target: "_blank", rel: "noopener nofollow" });
      else link.removeAttribute("href");
    }
  }

  showSources(t) {
    this.sources?.remove();
    const links = (this.entry.sources ?? []).flatMap(({ title, url }) => {
      const href = safeLink(url, this.server);
      const attributes = { href, target: "_blank", rel: "noopener", title };
      return href ? [h("a", attributes, icon("page"), h("b", {}, title))] : [];
    });
    if (!links.length) return;
    this.sources = h("div", { class: "sources" }, h("span", {}, t.sources), ...links);
    this.node.insertBefore(this.sources, this.thumbs ?? null);
  }

  /** The same nodes each time keep the focus. */
  showThumbs(t) {
    const { role, done, interrupted, opinion } = this.entry;
    if (role !== "assistant" || !done || interrupted) return;
    const values = ["up", "down"];
    if (!this.thumbs) {
      const button = (value) =>
        h("button", { type: "button", class: value, onclick: () => this.chat.judge(this.entry, value) }, icon("thumb"));
      this.thumbs = h("div", { class: "thumbs" }, ...values.map(button), h("span", { role: "status" }));
      this.node.append(this.thumbs);
    }
    const nodes = this.thumbs.children;
    values.forEach((value, at) => {
      nodes[at].ariaLabel = nodes[at].title = t[value];
      nodes[at].ariaPressed = opinion === value;
    });
    nodes[2].textContent = opinion ? t.thanks : "";
  }

  showNote(t) {
    this.note?.remove();
    const { state, reason, interrupted, clientId } = this.entry;
    let note = null;
    if (state === "failed") {
      const again = h("button", { type: "button", onclick: () => this.chat.outbox.retry(this.entry) }, t.retry);
      note = h("div", { class: "note bad" }, `${t.errors[reason] ?? t.errors.other} `, again);
    } else if (state === "sending") {
      note = h("div", { class: "note" }, t.errors[reason] ?? t.sending);
    } else if (interrupted && !clientId) {
      note = h("div", { class: "note bad" }, t.interrupted);
    }
    this.note = note;
    if (note) this.node.append(note);
  }

  /** A time stands above what comes a quarter of an hour after the entry before it. */
  stamp(tag, before) {
    const at = new Date(this.entry.at);
    const gap = before ? at - new Date(before.at) : Infinity;
    this.time.hidden = !(gap >= 900_000);
    if (this.time.hidden) return;
    const today = at.toDateString() === new Date().toDateString();
    const style = today ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" };
    const lang = navigator.language.startsWith(tag) ? navigator.language : tag;
    this.time.textContent = new Intl.DateTimeFormat(lang, style).format(at);
  }
}
