#!/usr/bin/python3
"""An application that saves its vector index, and stops for snapshots where it is asked to.

    index_writer.py rename|in-place INDEX NEW CONTROL

The file CONTROL/pause asks it to stop: it makes CONTROL/stopped, and goes on when CONTROL/pause is gone, with a save at once. A save
replaces INDEX by a rename, or opens it as fopen(path, "wb") does (FAISS's write_index) and writes NEW's bytes into it. It has no
save under way when it is asked, so that what it feels is the snapshot's doing alone. Ends when its standard input is closed.

Prints "ready", then one line of JSON: {"saves":…, "felt_ms":…}: from seeing CONTROL/pause to the moment the first save after it has
its name or its open file.
"""

import json
import os
import select
import shutil
import sys
import time


def save(mode, index, new):
    """Returns when the save was let in, by the monotonic clock."""
    if mode == "rename":
        os.rename(index + ".ready", index)
        let_in = time.monotonic()
        shutil.copyfile(new, index + ".ready")
        return let_in
    with open(index, "wb") as out, open(new, "rb") as source:
        let_in = time.monotonic()
        shutil.copyfileobj(source, out, 1 << 20)
    return let_in


def main():
    mode, index, new, control = sys.argv[1:]
    pause, stopped = control + "/pause", control + "/stopped"
    if mode == "rename":
        shutil.copyfile(new, index + ".ready")
    print("ready", flush=True)
    saves, felt = 0, 0.0
    while not select.select([sys.stdin], [], [], 0.001)[0]:
        if not os.path.exists(pause):
            continue
        asked = time.monotonic()
        with open(stopped, "wb"):
            pass
        while os.path.exists(pause):
            time.sleep(0.0005)
        os.remove(stopped)
        felt = max(felt, save(mode, index, new) - asked)
        saves += 1
    print(json.dumps({"saves": saves, "felt_ms": round(felt * 1000, 1)}))


if __name__ == "__main__":
    main()
