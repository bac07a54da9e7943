"""The figures of a run as Markdown, and their places in Docs/BENCHMARKS.md."""
import re

QUESTIONS = tuple(f"q{number}" for number in range(1, 8))
OURS = (("packed", "bits_per_value_hot"), ("cold", "bits_per_value_cold"), ("as streamed", "bits_per_value_streamed"))


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def number(value):
    if value is None:
        return "–"
    if value >= 1e6:
        return f"{value / 1e6:.1f} M" if value < 1e8 else f"{value / 1e6:.0f} M"
    if value >= 1e4:
        return f"{value / 1e3:.0f} k"
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def ratio(ours, theirs, more_is_better):
    """How many times better tsq is, in parentheses; below 1 the peer is better."""
    if not ours or not theirs:
        return ""
    times = ours / theirs if more_is_better else theirs / ours
    return f" ({times:.2f}x)" if times < 10 else f" ({times:.0f}x)"


def cell(ours, theirs, more_is_better=False):
    return number(theirs) + ratio(ours, theirs, more_is_better)


def run_line(run):
    fleet = f"{run['sensors']} sensors x {run['seconds']} s" if run.get("sensors") else "real sets only"
    note = f" **{run['note']}**" if run.get("note") else ""
    return f"{run['date']}, {run['machine']}; tsq {run['tsq']}; {fleet}.{note}\n"


def label(peer):
    return f"{peer['title']} {peer.get('version', '')}".strip()


def versions(result):
    rows = [["**tsq**", result["run"]["tsq"], "log synced before the acknowledgement",
             "the data segments, index and all, after `tsq compact`"]]
    for peer in result["peers"]:
        if "missing" in peer:
            rows.append([peer["title"], "not to be had", peer["missing"], ""])
        else:
            rows.append([peer["title"], peer.get("version", "?"), peer["durability"], peer["counted"]])
    return table(["peer", "version", "commits of the stream", "what its size counts"], rows)


def failures(result):
    lines = [f"- {peer['title']}: {failure}" for peer in result["peers"] for failure in peer["failures"]]
    return "\nNot measured:\n\n" + "\n".join(lines) + "\n" if lines else ""


def speed(result):
    ours, rows = result["tsq"], []
    if not ours:
        return None
    keys = ("bulk_values_per_s", "stream100_values_per_s", "stream10_values_per_s", "commit_p50_ms", "commit_p99_ms")
    questions = [f"{name}_ms" for name in QUESTIONS]
    rows.append(["**tsq**", *(number(ours.get(key)) for key in (*keys, *questions))])
    for peer in result["peers"]:
        if "missing" in peer or not (peer.get("stream") or peer.get("benchmark")):
            continue
        bulk = next(iter(peer.get("benchmark", {}).values()), {}).get("bulk_values_per_s")
        hundred, ten = (peer.get("stream", {}).get(name, {}) for name in ("stream100", "stream10"))
        found = [(bulk, True), (hundred.get("values_per_s"), True), (ten.get("values_per_s"), True),
                 (hundred.get("p50_ms"), False), (hundred.get("p99_ms"), False)]
        asked = peer.get("queries", {})
        rows.append([label(peer), *(cell(ours.get(key), value, more) for key, (value, more) in zip(keys, found)),
                     *(cell(ours.get(key), asked.get(key)) for key in questions)])
    every = result["run"]["sensors"]
    return table(["", "bulk, values/s", f"stream, {every} sensors a commit, values/s",
                  "stream, 10 sensors a commit, values/s", f"p50 of a commit of {every}, ms", "p99, ms",
                  *(f"{name}, ms" for name in QUESTIONS)], rows)


def sizes(result):
    ours = result["tsq"]
    if not ours:
        return None
    found = [(number(ours[name]), ours[name], ["**tsq**", form]) for form, name in OURS if name in ours]
    best = ours["bits_per_value_hot"]
    for peer in result["peers"]:
        for variant, figures in peer.get("benchmark", {}).items():
            bits = figures["bits_per_value"]
            found.append((cell(best, bits), bits, [label(peer), variant]))
    return table(["", "form", "bits a value (ratio to tsq packed)"],
                 [[*names, shown] for shown, _, names in sorted(found, key=lambda line: line[1])])


def real(result):
    sets = list(result["real"])
    if not sets:
        return None
    ours = {name: result["real"][name]["forms"] for name in sets}
    rows = [["**tsq**", form, *(number(ours[name].get(form, {}).get("bits_per_value")) for name in sets)]
            for form in ("packed", "cold", "as imported")]
    for peer in result["peers"]:
        variants = {variant: None for found in peer.get("real", {}).values() for variant in found}
        for variant in variants:
            bits = [peer["real"].get(name, {}).get(variant, {}).get("bits_per_value") for name in sets]
            rows.append([label(peer), variant, *(
                cell(ours[name].get("packed", {}).get("bits_per_value"), value)
                for name, value in zip(sets, bits))])
    heads = [f"{name} ({result['real'][name]['values']:,} values)".replace(",", " ") for name in sets]
    return table(["bits a value (ratio to tsq packed)", "form", *heads], rows)


def lost(result):
    """Every place where a peer is better than tsq, in words."""
    lines = []
    for name, ours in result["real"].items():
        for form in ("packed", "cold"):
            bits = ours["forms"].get(form, {}).get("bits_per_value")
            for peer in result["peers"]:
                for variant, figures in peer.get("real", {}).get(name, {}).items():
                    if bits and figures["bits_per_value"] < bits:
                        lines.append(f"{name}: tsq {form} {bits:.3f} bits, {peer['title']} {variant} "
                                     f"{figures['bits_per_value']:.3f}")
    for form, key in OURS:
        for peer in result["peers"]:
            for variant, figures in peer.get("benchmark", {}).items():
                if key in result["tsq"] and figures["bits_per_value"] < result["tsq"][key]:
                    lines.append(f"benchmark set: tsq {form} {result['tsq'][key]:.3f} bits, {peer['title']} {variant} "
                                 f"{figures['bits_per_value']:.3f}")
    return lines


def parts(result):
    """{marker: Markdown} of what this run measured."""
    measures, head = set(result["run"]["measures"]), run_line(result["run"]) + "\n"
    timed = bool({"bulk", "stream", "queries"} & measures)
    found = {"speed": speed(result) if timed else None, "sizes": sizes(result) if "size" in measures else None,
             "real": real(result) if "real" in measures else None}
    found = {name: head + text for name, text in found.items() if text}
    found["versions"] = head + versions(result) + failures(result)
    return found


def write(path, result):
    """Puts each part between its markers, `<!-- peers:NAME -->` and `<!-- /peers:NAME -->`."""
    with open(path) as file:
        text = file.read()
    for name, part in parts(result).items():
        marks = re.compile(rf"(<!-- peers:{name} -->\n).*?(<!-- /peers:{name} -->)", re.S)
        text, count = marks.subn(lambda match, part=part: match[1] + "\n" + part + "\n" + match[2], text)
        if not count:
            raise RuntimeError(f"{path} has no markers for {name}")
    with open(path, "w") as file:
        file.write(text)
