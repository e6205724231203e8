// Turns the one-time code in the address fragment (never sent to a server log) into a session.
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useEffect } from "react";
import { api } from "../api.ts";

/** Codes taken from the address: each is good once, so it is sent once however often the page renders. */
const sent = new Set<string>();

export function LoginPage() {
  const login = useMutation({
    mutationFn: api.login,
    onSuccess: () => window.location.replace("/"),
  });
  const { mutate } = login;
  useEffect(() => {
    const code = window.location.hash.slice(1);
    if (!code || sent.has(code)) return;
    sent.add(code);
    mutate(code);
  }, [mutate]);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    mutate(String(new FormData(event.currentTarget).get("code")));
  };
  return (
    <form className="login" onSubmit={submit}>
      <h1>Log in</h1>
      <p>Open the one-time link that the control plane printed, or paste its code.</p>
      <label>
        Code <input name="code" autoComplete="off" required minLength={16} />
      </label>
      <button type="submit" disabled={login.isPending}>
        log in
      </button>
      {login.error && <p role="alert">{login.error.message}</p>}
    </form>
  );
}
