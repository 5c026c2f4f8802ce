// A whole cluster as `./scripts/cluster` starts it: nginx, three nodes, PostgreSQL and Redis.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { CLIENT, PROGRAM } from './house.mjs';

const START_MS = 90_000;
const SETTINGS = { BCRYPT_COST: '4', LOG_LEVEL: 'warn', RATE_LIMIT_PER_HOUR: '100000', API_LIMIT_PER_MINUTE: '100000' };

export class Cluster {
  /** What it printed: `gateway`, `node1`, `metrics1` … to their URLs. @type {Record<string, string>} */
  urls = {};

  static async start() {
    const cluster = new Cluster();
    const script = new URL('../../scripts/cluster', import.meta.url).pathname;
    cluster.process = spawn(script, ['3'], { env: { ...process.env, ...SETTINGS, ...CLIENT, CHORUS_BIN: PROGRAM }, stdio: ['ignore', 'pipe', 'inherit'] });
    cluster.ended = new Promise((resolve) => cluster.process.once('exit', resolve));
    const late = setTimeout(() => cluster.process.kill('SIGTERM'), START_MS);
    for await (const line of createInterface({ input: cluster.process.stdout })) {
      const [name, url] = line.split(' ');
      if (name === 'ready') break;
      cluster.urls[name] = url;
    }
    clearTimeout(late);
    assert.ok(cluster.urls.redis, 'the cluster did not start');
    return cluster;
  }

  get url() {
    return this.urls.gateway;
  }

  /** How many sockets each node has that answers: [number, sockets]. */
  async sockets() {
    const counts = [];
    for (const number of [1, 2, 3]) {
      const text = await fetch(`${this.urls[`metrics${number}`]}/metrics`).then((answer) => answer.text(), () => '');
      const lines = text.split('\n').filter((line) => line.startsWith('chorus_sockets{'));
      if (text) counts.push([number, lines.reduce((sum, line) => sum + Number(line.split(' ')[1]), 0)]);
    }
    return counts;
  }

  /** Sends a signal to the process of a node. */
  async signal(number, name) {
    const port = new URL(this.urls[`node${number}`]).port;
    for (const pid of (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry))) {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
      if (stat.slice(stat.lastIndexOf(')')).split(' ')[2] !== String(this.process.pid)) continue;
      const settings = (await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')).split('\0');
      if (settings.includes(`PORT=${port}`)) return process.kill(Number(pid), name);
    }
    throw new Error(`node ${number} has no process`);
  }

  async stop() {
    this.process.kill('SIGTERM');
    await this.ended;
  }
}
