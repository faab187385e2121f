import type { Process, TaskDefinition } from './index.js';

export interface TestedEffect {
  readonly id: string;
  readonly key: string;
  readonly stepId: string;
  readonly taskId: string;
  readonly kind: string;
  readonly label: string;
  readonly args: any;
  readonly definition: TaskDefinition;
  readonly status: 'requested' | 'ok' | 'error' | 'cancelled';
  readonly value?: any;
  readonly error?: { name: string; message: string; stack?: string; data?: unknown };
}

declare const opaque: unique symbol;
/** In a table: the effect stays open. */
export const pending: { readonly [opaque]: 'pending' };
/** In a table: the first effect ends with the first, the next with the next; further ones stay open. */
export function inOrder(...results: unknown[]): { readonly [opaque]: 'inOrder' };
/** In a table: the effect ends so much later. */
export function after(ms: number, result: unknown): { readonly [opaque]: 'after' };

export interface TestOptions<Inputs = any> {
  inputs?: Inputs;
  /**
   * How effects end, by label, breakpoint id, task id or kind: with a value, with an Error, or with
   * what a function of the arguments returns or throws. What is not in it stays open.
   */
  effects?: { [name: string]: unknown | Error | ((args: any, effect: TestedEffect) => unknown) };
  signals?: { name: string; payload?: unknown }[];
  /** What `ctx.hook(type)` gives; it succeeds without a program. */
  hooks?: { [type: string]: object | ((payload: any) => object) };
  /** Where the clock begins; 2026-01-01T00:00:00Z. */
  now?: string | number | Date;
  /** Whether timers fire as soon as nothing else is to be done; true. */
  skipTime?: boolean;
  /** Of `ctx.random()`, `Math.random()` and ids. */
  seed?: string;
  /** Ends open effects in a random order, the same for the same number. */
  shuffle?: number | string;
  /** When the process is replayed from its journal: at every rest, where it ends or waits (true), never. */
  replay?: 'each' | boolean;
  nonInteractive?: boolean;
  processId?: string;
  runId?: string;
}

export interface TestedRun<Output = any> {
  readonly status: 'completed' | 'failed' | 'halted' | 'continued' | 'waiting';
  readonly output: Output | undefined;
  readonly error: (Error & { data?: unknown }) | undefined;
  readonly halted: { reason: string; payload?: any } | undefined;
  readonly continuedWith: any;
  readonly now: Date;
  /** All that it asked for, in that order; `pending` those that are open. */
  readonly effects: TestedEffect[];
  readonly pending: TestedEffect[];
  readonly journal: { seq: number; type: string; at: number; data: any }[];
  readonly logs: string[];
  /** Ends an effect that is open, named by label, task id or id; resolves when the process rests again. */
  resolve(name: string, value?: unknown): Promise<TestedRun<Output>>;
  reject(name: string, error: unknown): Promise<TestedRun<Output>>;
  signal(name: string, payload?: unknown): Promise<TestedRun<Output>>;
  advance(ms: number): Promise<TestedRun<Output>>;
  query(name: string, args?: unknown): any;
  /** Runs the process once more from its start; throws ReplayError where it does anything else. */
  replay(): Promise<void>;
}

/** Runs a process to its end, or to where nothing in the table lets it go on. */
export function testProcess<Inputs, Output>(
  process: Process<Inputs, Output>,
  options?: TestOptions<Inputs>,
): Promise<TestedRun<Output>>;

/**
 * Runs a process over the run directory of a recorded run, which stays as it is. Throws ReplayError
 * where the process, as it is today, could not go on with that run. Returns whether it came to an end.
 */
export function replayRun(process: Process, folder: string): Promise<boolean>;

/** The process did something else than before, which a replay must not. */
export class ReplayError extends Error {}
