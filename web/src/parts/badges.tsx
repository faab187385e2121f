import type { FleetState } from '../../generated/api';

type Tone = 'good' | 'busy' | 'warn' | 'bad' | 'calm';

const tones: Record<FleetState, Tone> = {
  starting: 'busy',
  running: 'good',
  unhealthy: 'warn',
  crash_loop: 'bad',
  failed: 'bad',
  foreign: 'warn',
  stopped: 'calm',
};

export const state_words = (state: FleetState): string => state.replace('_', ' ');

export function StateBadge({ state }: { state: FleetState }) {
  return <span class={`badge ${tones[state]}`}>{state_words(state)}</span>;
}

export function Badge({ tone = 'calm', children }: { tone?: Tone; children: string }) {
  return <span class={`badge plain ${tone}`}>{children}</span>;
}

interface SwitchProps {
  on: boolean;
  label: string;
  disabled?: boolean;
  toggle: () => void;
}

export function Switch({ on, label, disabled = false, toggle }: SwitchProps) {
  return (
    <button
      type="button"
      role="switch"
      class="switch"
      aria-checked={on}
      aria-label={label}
      disabled={disabled}
      onClick={toggle}
    />
  );
}
