"use strict";
(() => {
  const all = (selector) => Array.from(document.querySelectorAll(selector));
  const one = (id) => document.getElementById(id);
  const list = one("step-list");
  const steps = all("details.step");
  const top = all("#step-list > details.step");
  let look = "all";

  for (const element of all("button[hidden], #controls")) element.hidden = false;

  const say = (button, word) => {
    const before = button.textContent;
    button.textContent = word;
    setTimeout(() => { button.textContent = before; }, 1200);
  };

  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      return done;
    }
  };

  const save = (text, name) => {
    const url = URL.createObjectURL(new Blob([text + "\n"], { type: "application/json" }));
    const link = document.createElement("a");
    link.href = url;
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const data = button.dataset;
    if (data.copy) say(button, (await copy(one(data.copy).textContent)) ? "Copied" : "Not copied");
    if (data.save) save(one(data.save).textContent, data.name);
    if (data.filter) {
      look = data.filter;
      for (const chip of all(".chip")) chip.setAttribute("aria-pressed", String(chip === button));
      filter();
    }
    if (button.id === "open-all") {
      const open = steps.some((step) => !step.hidden && !step.open);
      for (const step of steps) if (!step.hidden) step.open = open;
      button.textContent = open ? "Close all" : "Open all";
    }
  });

  const filter = () => {
    const words = one("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    // Inner steps stand behind what they are in: from the end each comes before its parent.
    for (const step of steps.slice().reverse()) {
      const text = words.length ? step.textContent.toLowerCase() : "";
      const fits = look === "all" || step.dataset.looks.split(" ").includes(look);
      const holds = Array.from(step.querySelectorAll("details.step")).some((one) => !one.hidden);
      step.hidden = !((fits && words.every((word) => text.includes(word))) || holds);
      if (holds && look !== "all") step.open = true;
      shown += step.hidden ? 0 : 1;
    }
    list.hidden = shown === 0;
    one("no-step").hidden = shown !== 0;
  };

  const number = (step, name) => Number(step.dataset[name]);
  const orders = {
    order: (a, b) => number(a, "order") - number(b, "order"),
    status: (a, b) => number(a, "rank") - number(b, "rank") || orders.order(a, b),
    time: (a, b) => number(b, "time") - number(a, "time") || orders.order(a, b),
    cost: (a, b) => number(b, "cost") - number(a, "cost") || orders.order(a, b),
  };

  const reveal = () => {
    let id = location.hash.slice(1);
    try { id = decodeURIComponent(id); } catch { return; }
    const target = id && one(id);
    let step = target && target.closest("details.step");
    if (!step) return;
    if (step.hidden) { one("search").value = ""; all(".chip")[0].click(); }
    for (; step; step = step.parentElement.closest("details.step")) step.open = true;
    target.scrollIntoView();
  };

  if (list) {
    one("search").addEventListener("input", filter);
    one("sort").addEventListener("change", (event) => list.append(...top.slice().sort(orders[event.target.value])));
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && list && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) {
      event.preventDefault();
      one("search").focus();
    }
  });
  for (const time of all("time")) time.title = new Date(time.dateTime).toLocaleString();
  addEventListener("hashchange", reveal);
  reveal();
})();
