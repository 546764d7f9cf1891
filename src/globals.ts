// Names that the declarations of the package use and that old libraries of TypeScript lack: a program that is compiled
// with `lib: es2022` and without @types/node can use them all the same. Where they are known, this adds nothing.

declare global {
  interface SymbolConstructor {
    readonly dispose: unique symbol;
    readonly asyncDispose: unique symbol;
  }
  interface Disposable {
    [Symbol.dispose](): void;
  }
  interface AsyncDisposable {
    [Symbol.asyncDispose](): PromiseLike<void>;
  }
  // Empty: what a signal has is said by who makes signals (@types/node, the DOM).
  interface AbortSignal {}
}

export {};
