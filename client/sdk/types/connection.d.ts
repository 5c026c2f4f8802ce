export type SocketClass = typeof globalThis.WebSocket;
export type ServerFrame = import('./protocol.js').ServerFrame;
export type WelcomeFrame = import('./protocol.js').WelcomeFrame;
export type ClientFrame = import('./protocol.js').ClientFrame;
export declare class Connection {
    #private;
    /**
     * @param {object} options
     * @param {string} options.url `ws://host/ws?ticket=…`
     * @param {SocketClass} options.WebSocket
     * @param {import('./clock.js').Clock} options.clock
     * @param {object} options.handlers
     * @param {(frame: WelcomeFrame) => void} options.handlers.welcome
     * @param {(frame: ServerFrame) => void} options.handlers.frame
     * @param {(code: number) => void} options.handlers.closed 0: silent for too long
     */
    constructor({ url, WebSocket, clock, handlers }: {
        url: string;
        WebSocket: SocketClass;
        clock: import('./clock.js').Clock;
        handlers: {
            welcome: (frame: WelcomeFrame) => void;
            frame: (frame: ServerFrame) => void;
            closed: (code: number) => void;
        };
    });
    /** @param {ClientFrame} frame @returns {boolean} false: not open; nothing was sent */
    send(frame: ClientFrame): boolean;
    /**
     * Something was asked that must be answered: if no frame at all comes in time, nobody is there.
     * @param {number} ms
     */
    expectFrame(ms: number): void;
    drop(): void;
}
