"use strict";

/* Data files are scripts that call `gemmaEval.receive`: a page opened from disk may fetch nothing. */
const gemmaEval = (() => {
  const KEPT = 24; // files in memory; the oldest go first
  const values = new Map();
  const waiting = new Map();

  function receive(name, value) {
    values.set(name, value);
    if (values.size > KEPT) values.delete(values.keys().next().value);
    waiting.get(name)?.resolve(value);
  }

  function load(name) {
    if (values.has(name)) return Promise.resolve(values.get(name));
    if (!waiting.has(name)) {
      const loading = {};
      loading.promise = new Promise((resolve, reject) => {
        loading.resolve = resolve;
        const script = document.createElement("script");
        script.src = `data/${name}.js`;
        script.onload = () => script.remove();
        script.onerror = () => reject(new Error(`data/${name}.js cannot be read; write the item browser again`));
        document.head.append(script);
      }).finally(() => waiting.delete(name));
      waiting.set(name, loading);
    }
    return waiting.get(name).promise;
  }

  return { receive, load };
})();
