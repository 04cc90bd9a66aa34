/** Elements without markup strings: nothing that a strict policy refuses. */

/** An element with attributes, listeners (`onclick: f`) and children. */
export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

const PATHS = {
  chat: "M12 3.5c-5 0-9 3.4-9 7.7 0 2.5 1.4 4.7 3.5 6.1l-.6 3.2 3.6-1.9c.8.2 1.6.3 2.5.3 5 0 9-3.4 9-7.7S17 3.5 12 3.5M8.6 12.3c1.8 2 5 2 6.8 0",
  close: "M6 6l12 12M18 6L6 18",
  down: "M5 9l7 7 7-7",
  send: "M12 19.5V5M5.5 11L12 4.5 18.5 11",
  thumb: "M7 10v9H4v-9zM7 10l4-7c2 0 2 2 2 3l-1 3h6c1 0 2 1 2 2l-2 7c0 1-1 1-2 1H7",
  page: "M6.5 3.5h7l4 4v13h-11zM13.5 3.5v4h4M9 12h6M9 15.5h6",
};

/** A line drawing in the colour of the text around it. */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const path = document.createElementNS(space, "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

let policy;

/**
 * Shows the server's sanitised `html` of an entry; nothing else may be passed here. The browser's own sanitizer goes
 * over it once more. A page that enforces trusted types and does not allow the policy `xiaoer` shows the plain text.
 */
export function showHtml(node, html, text) {
  if (node.setHTML) {
    node.setHTML(html);
    return;
  }
  try {
    const rules = { createHTML: (markup) => markup };
    policy ??= globalThis.trustedTypes?.createPolicy("xiaoer", rules) ?? rules;
    node.innerHTML = policy.createHTML(html);
  } catch {
    node.textContent = text;
  }
}

/** Storage of JSON values; the page's memory where the browser's store is forbidden, full or damaged. */
export function storage(name) {
  const memory = new Map();
  return {
    get(key) {
      try {
        return JSON.parse(globalThis[name].getItem(key));
      } catch {
        return memory.get(key) ?? null;
      }
    },
    set(key, value) {
      memory.set(key, value);
      try {
        globalThis[name].setItem(key, JSON.stringify(value));
      } catch {
        // Costs the visitor the history after a reload, no more.
      }
    },
  };
}
