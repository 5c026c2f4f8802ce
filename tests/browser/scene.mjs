// What test files begin with, in one line each: a browser, and a server with people before it. All of it
// is gone when the tests are done.
import { after, afterEach, before } from 'node:test';
import { launch, Person, Server } from './house.mjs';

/** The one browser of a test file. @type {import('playwright-core').Browser} */
export let browser;
before(async () => (browser = await launch()));
after(() => browser?.close());

/** A server for the tests that follow. Whoever comes to it leaves after each, and must have had nothing to complain of. */
export function visited(settings) {
  const people = [];
  const scene = {
    /** Somebody before the page, at this address of it. */
    async somebody(options, hash = '') {
      const person = await Person.at(browser, scene.server.url + hash, options);
      people.push(person);
      return person;
    },
  };
  before(async () => (scene.server = await Server.start(settings)));
  after(() => scene.server?.stop());
  afterEach(async () => {
    const these = people.splice(0);
    // One who complains stays as little as the others.
    for (const person of these) await person.context.close();
    for (const person of these) person.hadNothingToComplainOf();
  });
  return scene;
}
