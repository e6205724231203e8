// The stop words an operator may press. Each asks for a reason in a dialog that says what it does and
// how to undo it; halting is one press away from any phase in which nodes could still start.
import type { RolloutView } from "@drover/shared/api/rollout-api";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useRef, useState } from "react";
import { api, type StopWord } from "../api.ts";

const says: Record<StopWord, { does: string; undo: string }> = {
  pause: {
    does: "Stops giving grants for now. Nodes already granted go on.",
    undo: "Undo with resume.",
  },
  resume: { does: "Gives grants again from where the rollout stands.", undo: "Undo with pause." },
  halt: {
    does: "Stops the rollout: no further node starts.",
    undo: "Undo needs an un-halt by someone who may.",
  },
};

/** Words that mean something now: nothing that is over, drafted or already halted can be halted. */
const offered = (phase: RolloutView["state"]["phase"]): readonly StopWord[] => {
  if (phase === "running") return ["pause", "halt"];
  return phase === "paused" ? ["resume", "halt"] : [];
};

export function StopButtons({ rollout }: { rollout: RolloutView }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [word, setWord] = useState<StopWord>("pause");
  const queries = useQueryClient();
  const action = useMutation({
    mutationFn: (reason: string) => api.stop(rollout.id, word, reason),
    onSuccess: () => {
      dialog.current?.close();
      void queries.invalidateQueries();
    },
  });
  const open = (next: StopWord) => {
    setWord(next);
    action.reset();
    dialog.current?.showModal();
  };
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    action.mutate(String(new FormData(event.currentTarget).get("reason")));
  };
  const words = offered(rollout.state.phase);
  return (
    <div className="stop">
      {words.map((each) => (
        <button key={each} type="button" className={each} onClick={() => open(each)}>
          {each}
        </button>
      ))}
      <dialog ref={dialog} aria-label={`${word} ${rollout.name}`}>
        <form onSubmit={submit}>
          <h2>
            {word} “{rollout.name}”?
          </h2>
          <p>{says[word].does}</p>
          <p>{says[word].undo}</p>
          <label>
            Reason, for the record <input name="reason" required maxLength={500} />
          </label>
          {action.error && <p role="alert">{action.error.message}</p>}
          <menu>
            <button type="button" onClick={() => dialog.current?.close()}>
              leave as it is
            </button>
            <button type="submit" className={word} disabled={action.isPending}>
              {word} this rollout
            </button>
          </menu>
        </form>
      </dialog>
    </div>
  );
}
