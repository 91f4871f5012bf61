"""Open tables and answer questions, each twice or more: ``ask.py JSON``.

Prints one line of JSON per event. The parent notes when the lines come, so that the time to the
first answer is that of the whole process.
"""

from __future__ import annotations

import json
import sys
from time import perf_counter

began = perf_counter()


def say(event: str, **values: object) -> None:
    """Tell the parent."""
    print(json.dumps({"event": event, **values}), flush=True)


def main(task: dict) -> None:
    """Answer."""
    if task["which"] == "fascicle":
        from fascicle.one import One
    else:
        from one.api import One
    one = One(cache_dir=task["cache_dir"])
    opened = perf_counter() - began
    at_start = None
    if not task["questions"]:
        say(
            "answer",
            inside=opened,
            found=len(one._cache["sessions"]) if task["which"] == "one" else 0,
        )
    import questions

    if len(task["questions"]) > 1:  # several in one process, each with a peak of its own
        from peak import forget, peak

        at_start = peak()
    for name in task["questions"]:
        ask = getattr(questions, name)
        if at_start is not None:
            forget()
        start = perf_counter()
        answer = ask(one, 0, task["about"])
        end = perf_counter()
        say("answer", question=name, inside=end - began, first=end - start, found=len(answer))
        from peak import peak

        memory, warm, k = peak(), [], 0
        same = questions.same(answer)
        del answer
        while k < min(task["most"], questions.VARIANTS - 1) and (
            not warm or sum(t for t, _ in warm) < task["seconds"]
        ):
            if end - start > task["once"]:  # too slow to ask again: it keeps nothing anyway
                break
            k += 1
            again = perf_counter()
            answer = ask(one, k, task["about"])
            warm.append([perf_counter() - again, len(answer)])
            del answer
        say("warm", question=name, warm=warm, same=same, memory=memory)
    from peak import peak

    say("end", opened=opened, memory=at_start or peak())


main(json.loads(sys.argv[1]))
