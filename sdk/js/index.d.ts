export type Json = null | boolean | number | string | Json[] | { [name: string]: Json | undefined };

/** What an effect asks for. Its kind says who carries it out. */
export interface TaskDefinition {
  kind: 'agent' | 'node' | 'shell' | 'orchestrator_task' | (string & {});
  title?: string;
  description?: string;
  labels?: string[];
  metadata?: { [name: string]: unknown };
  shell?: ShellWork;
  node?: NodeWork;
  agent?: AgentWork;
  [member: string]: unknown;
}
export interface ShellWork {
  command: string;
  /** "$1", "$2", ... of the command. */
  args?: string[];
  env?: { [name: string]: string };
  cwd?: string;
  expectedExitCode?: number;
}
export interface NodeWork {
  entry: string;
  args?: string[];
  env?: { [name: string]: string };
  cwd?: string;
}
export interface AgentWork {
  name?: string;
  prompt?: string | { role?: string; task?: string; context?: unknown; instructions?: string[]; outputFormat?: string };
  /** JSON Schema of what the agent has to answer with. */
  outputSchema?: { [member: string]: unknown };
  [member: string]: unknown;
}
/** What the process is given for a shell, also where the command failed. */
export interface ShellResult {
  success: boolean;
  exitCode: number;
  stdout: string;
  stderr: string;
  error?: string;
}

export interface BuildContext {
  readonly effectId: string;
  readonly invocationKey: string;
  readonly taskId: string;
  readonly runId: string;
  readonly runDir: string;
  readonly taskDir: string;
  readonly label?: string;
  readonly labels: string[];
  /** What whoever worked on the try before this one said last. */
  readonly lastHeartbeat?: any;
  /** Writes a file beside the task and returns its path in the run directory. */
  createBlobRef(name: string, value: string | Uint8Array | Json): Promise<string>;
  toTaskRelativePath(file: string): string;
}

export interface Task<Args = any, Result = any> {
  readonly id: string;
  build(args: Args, context: BuildContext): TaskDefinition | Promise<TaskDefinition>;
  /** Only in the type. */
  readonly __result?: Result;
}

export function defineTask<Args = any, Result = any>(
  id: string,
  build: (args: Args, context: BuildContext) => TaskDefinition | Promise<TaskDefinition>,
): Task<Args, Result>;

export interface StepOptions {
  label?: string;
  /** A name of one's own for this step, unique in the run. */
  key?: string;
}
export interface Retry {
  /** Tries in all. */
  attempts: number;
  /** Before the second try; 1000. */
  backoffMs?: number;
  /** By which the wait grows; 2. */
  factor?: number;
  maxBackoffMs?: number;
  /** Whether to try again after this error; always. */
  when?(error: Error): boolean;
}
export interface TaskOptions extends StepOptions {
  retry?: Retry;
  /** Of one try; the effect is cancelled then and EffectTimeoutError thrown. */
  timeoutMs?: number;
  /** Whoever works on it says something so often, or the try fails with an EffectHeartbeatError. */
  heartbeatTimeoutMs?: number;
}
export interface BreakpointOptions extends StepOptions {
  breakpointId?: string;
  expert?: string | string[];
  tags?: string[];
  strategy?: string;
  /** So many approvals by people in a row stand for the next one. */
  autoApproveAfterN?: number;
}
export interface Limits {
  /** How many are started at once; all. */
  concurrency?: number;
  maxConcurrency?: number;
}
export type Thunk<T> = () => T | Promise<T>;

export interface Parallel {
  all<T>(thunks: Thunk<T>[], limits?: Limits): Promise<T[]>;
  map<I, T>(items: Iterable<I>, fn: (item: I, index: number) => T | Promise<T>, limits?: Limits): Promise<T[]>;
  settled<T>(thunks: Thunk<T>[], limits?: Limits): Promise<PromiseSettledResult<T>[]>;
  /** The first to settle; what the others asked for is cancelled. */
  race<T>(thunks: Thunk<T>[], limits?: Limits): Promise<T>;
  /** The first to succeed; what the others asked for is cancelled. */
  any<T>(thunks: Thunk<T>[], limits?: Limits): Promise<T>;
}

export interface ProcessContext {
  readonly runId: string;
  readonly runDir: string;
  readonly artifactsDir: string;
  task<Args, Result>(task: Task<Args, Result>, args?: Args, options?: TaskOptions): Promise<Result>;
  breakpoint(payload: unknown, options?: BreakpointOptions): Promise<any>;
  sleep(ms: number, options?: StepOptions): Promise<void>;
  sleepUntil(time: number | string | Date, options?: StepOptions): Promise<void>;
  orchestratorTask(payload: unknown, options?: StepOptions): Promise<any>;
  /** The next signal of this name that nobody has taken. */
  signal(name: string, options?: StepOptions): Promise<any>;
  child(entry: string, inputs?: unknown, options?: StepOptions & { processId?: string }): Promise<any>;
  hook(type: string, payload?: object, options?: { timeout?: number; throwOnFailure?: boolean }): Promise<any>;
  readonly parallel: Parallel;
  /** Runs `fn`; cancel() cancels what it asked for and is still open. */
  scope<T>(fn: Thunk<T>): { promise: Promise<T>; cancel(reason?: string): void };
  /** Asked of the machine once, and recorded. */
  now(): Date;
  random(): number;
  uuid(): string;
  /** True where this run was not past this point when its code got the change. */
  patched(id: string): boolean;
  query(name: string, answer: (args: any) => unknown): void;
  log(message: string): void;
  log(label: string, message: string): void;
  halt(reason: string, payload?: unknown): never;
  /** Completes this run with a new one of the same process. */
  continueAsNew(inputs?: unknown): never;
  onCleanup(fn: () => void | Promise<void>): void;
}

export type Process<Inputs = any, Output = any> = (inputs: Inputs, ctx: ProcessContext) => Promise<Output>;

export class EffectCancelledError extends Error {}
export class EffectTimeoutError extends Error {}
