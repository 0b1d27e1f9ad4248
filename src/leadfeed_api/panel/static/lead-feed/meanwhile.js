// News that comes while something is being read. An answer may be older than the news or newer, and nothing in it tells
// which: so what was heard meanwhile is applied once more on top of it. Applying news twice changes nothing.

export class Meanwhile {
  #reading = new Set();

  /** `again` applies one piece of news that was heard before. */
  constructor(again) {
    this.again = again;
  }

  /** Notes news for every read under way. */
  hear(news) {
    for (const heard of this.#reading) heard.push(news);
  }

  /** Runs a read, which hands what applies its result to the function it is given. */
  async run(read) {
    const heard = [];
    this.#reading.add(heard);
    try {
      await read((apply) => {
        apply();
        for (const news of heard) this.again(news);
      });
    } finally {
      this.#reading.delete(heard);
    }
  }
}
