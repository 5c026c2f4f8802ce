export type Status = {
    /**
     *   waiting: for the next attempt; offline: the same, and the system says that there is no network
     */
    state: 'stopped' | 'connecting' | 'connected' | 'waiting' | 'offline' | 'signed_out';
    retryInMs: number | null;
    /**
     * an error code, or `closed_1013` and the like
     */
    reason: string | null;
};
export type Handlers = {
    status: (status: Status) => void;
    welcome: (frame: import('./protocol.js').WelcomeFrame) => void;
    frame: (frame: import('./protocol.js').ServerFrame) => void;
    /**
     * the connection that was welcomed is no more
     */
    lost: () => void;
    /**
     * send something that must be answered
     */
    probe: () => void;
};
export declare class LiveSocket {
    #private;
    /**
     * @param {object} options
     * @param {string} options.url origin of the sockets, `ws://host`
     * @param {() => Promise<string>} options.ticket
     * @param {boolean} options.returns whether a sign-in may return after 4001
     * @param {SocketClass} options.WebSocket
     * @param {import('./clock.js').Clock} options.clock
     * @param {() => number} options.random
     * @param {Handlers} handlers
     */
    constructor(options: {
        url: string;
        ticket: () => Promise<string>;
        returns: boolean;
        WebSocket: SocketClass;
        clock: import('./clock.js').Clock;
        random: () => number;
    }, handlers: Handlers);
    /** Frames can be sent. */
    get connected(): boolean;
    start(): void;
    stop(): void;
    /** Don't wait any longer for the next attempt. */
    now(): void;
    /** The system says there is a network again; or a sleeping tab woke up. */
    online(): void;
    /** A hint only: a server on this very machine is reached without any network. */
    offline(): void;
    /** @param {import('./protocol.js').ClientFrame} frame */
    send(frame: import('./protocol.js').ClientFrame): boolean;
    /** @param {number} ms see `Connection.expectFrame` */
    expectFrame(ms: number): void;
    /** What this connection delivers cannot be relied on: leave it and resume on another. @param {string} reason */
    restart(reason: string): void;
    /** The sign-in is over, as somebody else found out. @param {string} reason */
    signedOut(reason: string): void;
}
export type SocketClass = typeof globalThis.WebSocket;
export type ServerFrame = import('./protocol.js').ServerFrame;
export type WelcomeFrame = import('./protocol.js').WelcomeFrame;
export type ClientFrame = import('./protocol.js').ClientFrame;
