// One line about what has just been done: seen for a while, and read out once.
import { useEffect, useState } from 'preact/hooks';

const said = 'drover-said';

export function announce(text: string): void {
  dispatchEvent(new CustomEvent(said, { detail: text }));
}

const shown_ms = 6000;

export function Announcer() {
  const [text, set_text] = useState('');
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const show = (event: Event): void => {
      clearTimeout(timer);
      set_text((event as CustomEvent<string>).detail);
      timer = setTimeout(() => set_text(''), shown_ms);
    };
    addEventListener(said, show);
    return () => {
      clearTimeout(timer);
      removeEventListener(said, show);
    };
  }, []);
  return (
    <div class="announcer" role="status" aria-live="polite">
      {text !== '' && <p>{text}</p>}
    </div>
  );
}
