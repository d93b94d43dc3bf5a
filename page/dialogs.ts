/** What the page asks its user. The browser gives focus back to where it was. */
import { byId, setText } from './dom.ts';

export interface Question {
  readonly title: string;
  /** What it is about. */
  readonly subject: string;
  readonly text: string;
  readonly yes: string;
  readonly no: string;
}

/** Resolves with whether the answer is yes. */
export async function confirmed({ no, subject, text, title, yes }: Question): Promise<boolean> {
  setText(byId('confirm-title'), title);
  setText(byId('confirm-subject'), subject);
  setText(byId('confirm-text'), text);
  setText(byId('confirm-yes'), yes);
  setText(byId('confirm-no'), no);
  return await answered(byId<HTMLDialogElement>('confirm'));
}

/** Resolves with a token; undefined: not now. */
export async function askedToken(): Promise<string | undefined> {
  const input = byId<HTMLInputElement>('token-input');
  const dialog = byId<HTMLDialogElement>('token');
  // No button that submits: Enter would take the first of those.
  byId('token-no').onclick = () => dialog.close();
  const isGiven = await answered(dialog);
  const token = input.value.trim();
  input.value = '';
  return isGiven ? token : undefined;
}

function answered(dialog: HTMLDialogElement): Promise<boolean> {
  // Escape leaves it as it was.
  dialog.returnValue = 'no';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
  });
}
