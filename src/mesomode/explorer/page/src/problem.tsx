// What went wrong, in words, where the reader looks.
export function Problem({ text }: { text: string }) {
  return (
    <div class="problem" role="alert">
      <strong>Something is missing.</strong> {text}
    </div>
  );
}
