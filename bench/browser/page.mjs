// What is measured inside of the page. Each function is sent there as it stands and so uses nothing from here.

/** Notes when the composer is there, and when the room is connected and shown. */
export function noteReady() {
  const ready = { composer: null, connected: null };
  globalThis.ready = ready;
  const look = () => {
    const chat = document.getElementById('chat');
    if (chat && !chat.hidden) ready.composer ??= performance.now();
    if (chat?.dataset.tone === 'good' && document.querySelector('#thread [data-seq]')) ready.connected ??= performance.now();
    if (ready.connected === null) requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}

/** From one frame to the next, and tasks longer than 50 ms, until `globalThis.frames.stop()`. */
export function watchFrames() {
  const deltas = [];
  const longTasks = [];
  let last = null;
  let running = true;
  const observer = new PerformanceObserver((list) => longTasks.push(...list.getEntries().map(({ duration }) => duration)));
  observer.observe({ type: 'longtask' });
  const frame = (now) => {
    if (last !== null) deltas.push(now - last);
    last = now;
    if (running) requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  globalThis.frames = {
    deltas,
    stop() {
      running = false;
      observer.disconnect();
      return { deltas, longTasks };
    },
  };
}

/**
 * Scrolls through the thread, a step each frame, until the row `goal` is there. Between one frame and the
 * next nothing but this scrolls: a row that stands elsewhere then has jumped.
 */
export async function scrollTo({ goal, step, limitMs }) {
  const scroll = document.getElementById('scroll');
  const thread = document.getElementById('thread');
  const seqs = () => [...thread.querySelectorAll('[data-seq]')].map((row) => Number(row.dataset.seq));
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  const middle = scroll.getBoundingClientRect().top + scroll.clientHeight / 2;
  const reaches = (element) => element.getBoundingClientRect().bottom > middle;
  // Chunk by chunk: asked for its place, a row out of sight would have to be drawn.
  const inMiddle = () => [...([...thread.children].find(reaches)?.children ?? [])].find(reaches) ?? null;
  const found = { deltas: [], pages: [], jump: 0, mostRows: 0, broken: 0, arrived: false };
  performance.clearResourceTimings();
  performance.setResourceTimingBufferSize(10_000);
  const began = performance.now();
  let last = await frame();
  let known = null;
  while (performance.now() - began < limitMs) {
    const rows = seqs();
    found.mostRows = Math.max(found.mostRows, rows.length);
    found.broken += rows.filter((seq, index) => index > 0 && seq !== rows[index - 1] + 1).length;
    const edge = step < 0 ? rows[0] : rows.at(-1);
    if (known !== null && edge !== known) found.pages.push(performance.now());
    known = edge;
    if (step < 0 ? edge <= goal : edge >= goal) {
      found.arrived = true;
      break;
    }
    scroll.scrollTop += step;
    const row = inMiddle();
    const top = row?.getBoundingClientRect().top ?? 0;
    const now = await frame();
    found.deltas.push(now - last);
    last = now;
    if (row?.isConnected) found.jump = Math.max(found.jump, Math.abs(row.getBoundingClientRect().top - top));
  }
  const asked = performance.getEntriesByType('resource').filter(({ name }) => /\/messages\?/.test(name)).map(({ startTime }) => startTime);
  // A page is there in the frame after it was put on the page.
  found.pageTimes = asked.map((start) => (found.pages.find((shown) => shown > start) ?? NaN) - start).filter((time) => !Number.isNaN(time));
  return found;
}
