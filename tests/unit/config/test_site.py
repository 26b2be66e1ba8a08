"""A site file becomes settings, or a list of sentences that say where and how to mend it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.alert.schedule import Schedule, Window
from pipeline.alert.settings import LineRule, SpeedRule, Zone, ZoneRule
from pipeline.config import load_site, site_of_urls
from pipeline.config.document import parse_document
from pipeline.config.site import site_of
from pipeline.errors import ConfigError
from pipeline.handover import to_json
from pipeline.settings import SiteSettings

CAMERA = "cameras: {gate: {url: 'rtsp://h/s', "
ZONED = CAMERA + "zones: {yard: [[0, 0], [1, 0], [1, 1]]}, lines: {fence: [[0, 0], [1, 1]]}, "


def site(text: str, folder: Path = Path("/site"), **env: str) -> SiteSettings:
    return site_of(parse_document(text.encode(), "site.yaml", folder), env)


def sentences(text: str, folder: Path = Path("/site"), **env: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        site(text, folder, **env)
    assert caught.value.exit_code == 2
    return str(caught.value).splitlines()


def test_three_lines_are_a_site() -> None:
    one = site("cameras:\n  gate:\n    url: rtsp://10.0.0.5/stream1\n")
    (camera,) = one.cameras
    assert (camera.name, camera.url.reveal()) == ("gate", "rtsp://10.0.0.5/stream1")
    assert (camera.detect_fps, camera.transport, camera.is_gated) == (5.0, "tcp", True)
    assert one.redis.url is None
    assert one.detector.weights is None
    assert [rule.kind for rule in camera.alert.rules] == ["loitering", "speed", "crowd", "object_left"]


def test_a_map_a_list_and_a_bare_url_say_the_same() -> None:
    written = [
        "cameras: {gate: {url: 'rtsp://h/s'}}",
        "cameras: {gate: 'rtsp://h/s'}",
        "cameras: [{name: gate, url: 'rtsp://h/s'}]",
    ]
    assert len({to_json(site(text)) for text in written}) == 1


def test_rules_become_the_alert_stages_own_values() -> None:
    text = """
cameras:
  gate:
    url: rtsp://h/s
    time_zone: Europe/Berlin
    zones: {yard: [[0, 0], [1, 0], [1, 1]]}
    lines: {fence: [[0, 0.5], [1, 0.5]]}
    rules:
      - {kind: zone, zone: yard, schedule: "Mon-Fri 22:00-06:00", severity: critical, labels: [person, vehicle]}
      - {kind: line, line: fence, direction: a_to_b, name: over}
      - {kind: speed, max_px_per_s: 100}
      - {kind: speed}
"""
    alert = site(text).cameras[0].alert
    night = Schedule((Window(22 * 60, 6 * 60, (0, 1, 2, 3, 4)),), "Europe/Berlin")
    assert alert.zones == (Zone("yard", ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))),)
    assert alert.rules == (
        ZoneRule(name="zone-yard", zone="yard", schedule=night, severity="critical", labels=("person", "vehicle")),
        LineRule(name="over", line="fence", direction="a_to_b"),
        SpeedRule(name="speed", max_px_per_s=100.0),
        SpeedRule(name="speed-2"),
    )


def test_a_camera_overrides_defaults_and_policy_is_merged_knob_by_knob() -> None:
    text = """
defaults: {detect_fps: 2, transport: udp, policy: {update_every_s: 7, max_blind_s: 8}, rules: [{kind: crowd}]}
cameras:
  a: {url: x.mp4, detect_fps: 9, policy: {max_blind_s: 3}, rules: []}
  b: {url: y.mp4}
"""
    a, b = site(text).cameras
    assert (a.detect_fps, a.transport, b.detect_fps) == (9.0, "udp", 2.0)
    assert (a.alert.policy.update_every_s, a.alert.policy.max_blind_s, b.alert.policy.max_blind_s) == (7.0, 3.0, 8.0)
    assert a.alert.rules == ()
    assert [rule.kind for rule in b.alert.rules] == ["crowd"]


def test_relative_paths_count_from_the_files_folder(tmp_path: Path) -> None:
    (tmp_path / "m.xml").touch()
    text = "cameras: {a: footage/a.mp4, b: /abs/b.mp4, c: '-'}\ndetector: {weights: m.xml}\ndata_dir: state"
    one = site(text, tmp_path)
    assert [camera.url.reveal() for camera in one.cameras] == [f"{tmp_path}/footage/a.mp4", "/abs/b.mp4", "-"]
    assert (one.detector.weights, one.data_dir) == (f"{tmp_path}/m.xml", tmp_path / "state")
    assert site("cameras: {a: x}\ndetector: {weights: yolo26n.pt}").detector.weights == "yolo26n.pt"
    assert site("cameras: {a: x}", XDG_STATE_HOME="/s").data_dir == Path("/s/vedette")


def test_secrets_from_files(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("p@ss\n")
    (tmp_path / "url").write_text("rediss://bus@r/0\n")
    text = """
cameras: {gate: {url: 'rtsp://u@h/1', detect_url: 'rtsp://u@h/2', password_file: pw}}
redis: {url_file: url, password_file: pw, cluster: true}
"""
    one = site(text, tmp_path)
    detect_url = one.cameras[0].detect_url
    assert one.cameras[0].url.reveal() == "rtsp://u:p%40ss@h/1"
    assert detect_url is not None
    assert detect_url.reveal() == "rtsp://u:p%40ss@h/2"
    assert one.redis.url is not None
    assert (one.redis.url.reveal(), one.redis.is_cluster) == ("rediss://bus:p%40ss@r/0", True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # keys
        (CAMERA + "zonez: {}}}", "site.yaml:1: cameras.gate.zonez: unknown key; did you mean 'zones'?"),
        ("camera: {}", "site.yaml:1: camera: unknown key; did you mean 'cameras'?"),
        ("camera: {}", "site.yaml: cameras: is required"),
        ("cameras: [{url: x}]", "site.yaml:1: cameras[0].name: is required"),
        ("cameras: [{name: a}]", "site.yaml:1: cameras[0].url: is required (or url_file)"),
        ("cameras: {a: {url: x, name: b}}", "site.yaml:1: cameras.a: leave out name: the key 'a' is its name"),
        ("cameras: {a: x}\ndetector: {exec: rm}", "site.yaml:2: detector.exec: unknown key"),
        ("cameras: {a: x}\nledger: {keep: 1}", "site.yaml:2: ledger.keep: unknown key; did you mean 'keep_days'?"),
        ("cameras: {a: x}\nsearch: {day: 1}", "site.yaml:2: search.day: unknown key"),
        ("a: 1\ncameras: {a: x}\ncameras: {b: y}", "site.yaml:3: cameras: key given twice (first in line 2)"),
        # cameras
        ("cameras: {}", "site.yaml:1: cameras: names no camera"),
        ("cameras: []", "site.yaml:1: cameras: names no camera"),
        ("cameras:", "site.yaml:1: cameras: expected a list, got nothing"),
        ("cameras: 3", "site.yaml:1: cameras: expected a list, got 3"),
        ("- 1", "a site file is a map"),
        ("cameras: {a: 3}", "site.yaml:1: cameras.a: expected a map (key: value), got 3"),
        (
            "cameras:\n- {name: a, url: x}\n- {name: a, url: y}",
            "site.yaml:3: cameras[1].name: another camera is called 'a'",
        ),
        (
            "cameras: {a/b: x}",
            "a camera's name has 1 to 64 letters, digits, - or _ and nothing else, got the text 'a/b'",
        ),
        ("cameras: {a: 'rtps://h/s'}", "cameras.a.url: unknown kind of URL 'rtps'; did you mean 'rtsps'?"),
        ("cameras: {a: 'concat:x'}\ndefaults: {transport: udq}", "expected 'tcp' or 'udp', got the text 'udq'"),
        ("cameras: {a: 'rtsp:///s'}", "cameras.a.url: names no host"),
        ("cameras: {a: ''}", "cameras.a.url: is empty"),
        ("cameras: {a: {url: x, url_file: y}}", "cameras.a.url_file: give the URL in url or in url_file, not in both"),
        ("cameras: {a: {url_file: nope}}", "cameras.a.url_file: the file cannot be read: No such file or directory"),
        ("cameras: {a: {url: 'rtsp://${PW}@h'}}", "cameras.a.url: the environment variable PW is not set"),
        ("cameras: {a: rtsp//10.0.0.5/s}", "cameras.a.url: is no file here; an address begins like rtsp://"),
        ("cameras: {a: 'rtsp:/u:pw@10.0.0.5/s'}", "cameras.a.url: is no file here; an address begins like rtsp://"),
        (
            "cameras: {a: 'admin:pw@10.0.0.5/s'}",
            "cameras.a.url: is no file here; a camera's address begins with rtsp://",
        ),
        (CAMERA + "transport: '${PW}'}}", "cameras.gate.transport: an environment variable can stand in addresses and"),
        # types and ranges
        (CAMERA + "detect_fps: '5'}}", "cameras.gate.detect_fps: expected a number, got the text '5'"),
        (CAMERA + "detect_fps: true}}", "cameras.gate.detect_fps: expected a number, got true"),
        (CAMERA + "detect_fps: .inf}}", "cameras.gate.detect_fps: expected a finite number"),
        (CAMERA + "detect_fps: 0}}", "cameras.gate.detect_fps: expected more than 0, got 0"),
        (CAMERA + "read_timeout_s: -1}}", "cameras.gate.read_timeout_s: expected more than 0, got -1"),
        (CAMERA + "motion_gate: 1}}", "cameras.gate.motion_gate: expected true or false, got 1"),
        (CAMERA + "packets_bytes: 1.5e8}}", "cameras.gate.packets_bytes: expected a whole number, got 150000000.0"),
        (CAMERA + "zones: []}}", "cameras.gate.zones: expected a map (key: value), got a list"),
        ("cameras: {a: x}\ntelemetry: {port: 70000}", "site.yaml:2: telemetry.port: expected at most 65535, got 70000"),
        (
            "cameras: {a: x}\ndetector: {backend: opnvino}",
            "expected 'auto', 'openvino' or 'ultralytics', got the text 'opnvino'",
        ),
        (
            "cameras: {a: x}\ndefaults: {policy: {update_every_s: -2}}",
            "defaults.policy.update_every_s: expected at least 0, got -2",
        ),
        # geometry
        (
            CAMERA + "zones: {bow: [[0,0],[1,1],[1,0],[0,1]]}}}",
            "cameras.gate.zones.bow: expected a polygon that does not cross",
        ),
        (CAMERA + "zones: {z: [[0,0],[1,1]]}}}", "cameras.gate.zones.z: expected 3 to 100 points, got 2"),
        (
            CAMERA + "zones: {z: [[0,0],[1,1],[2,0]]}}}",
            "cameras.gate.zones.z: expected points (x, y) of 0..1, got (2.0, 0.0)",
        ),
        (CAMERA + "zones: {z: [[0,0],[1],[1,0]]}}}", "cameras.gate.zones.z[1][1]: expected two numbers"),
        (CAMERA + "zones: {z: [[0,0],[1,1,1],[1,0]]}}}", "cameras.gate.zones.z[1]: expected two numbers"),
        (CAMERA + "lines: {f: [[0,0]]}}}", "cameras.gate.lines.f: expected two points, got 1"),
        (CAMERA + "lines: {f: [[0,0],[0,0]]}}}", "cameras.gate.lines.f: expected a length"),
        # rules
        (ZONED + "rules: [{kind: zon}]}}", "cameras.gate.rules[0]: unknown kind of rule 'zon'; did you mean 'zone'?"),
        (ZONED + "rules: [{zone: yard}]}}", "cameras.gate.rules[0]: a rule needs a kind: zone, line"),
        (ZONED + "rules: [{kind: zone}]}}", "cameras.gate.rules[0].zone: is required"),
        (
            ZONED + "rules: [{kind: zone, zone: yrad}]}}",
            "cameras.gate.rules[0].zone: unknown zone 'yrad'; did you mean 'yard'?",
        ),
        (ZONED + "rules: [{kind: line, line: f}]}}", "cameras.gate.rules[0].line: unknown line 'f'; known here: fence"),
        (
            ZONED + "rules: [{kind: zone, zone: yard, zne: 1}]}}",
            "cameras.gate.rules[0].zne: unknown key; did you mean 'zone'?",
        ),
        (
            ZONED + "rules: [{kind: crowd, name: a}, {kind: speed, name: a}]}}",
            "rules[1].name: another rule is called 'a'",
        ),
        (
            ZONED + "rules: [{kind: crowd, min_count: 0}]}}",
            "cameras.gate.rules[0].min_count: expected 1 to 1000, got 0",
        ),
        (ZONED + "rules: [{kind: crowd, schedule: 25:00-3:00}]}}", "cameras.gate.rules[0].schedule: expected times"),
        (ZONED + "rules: [{kind: crowd, schedule: 3}]}}", "cameras.gate.rules[0].schedule: expected a window such as"),
        (ZONED + "rules: [{kind: wrong_way, allowed_norm: [0, 0]}]}}", "rules[0].allowed_norm: expected a direction"),
        (ZONED + "rules: [{kind: speed, max_sizes_per_s: null}]}}", "cameras.gate.rules[0]: expected a limit above 0"),
        (
            CAMERA + "time_zone: Europe/Belin}}",
            "'Europe/Belin' is not an IANA time zone; did you mean 'Europe/Berlin'?",
        ),
        (CAMERA + "time_zone: ../etc/passwd}}", "cameras.gate.time_zone: '../etc/passwd' is not an IANA time zone"),
        ("cameras: {a: 'rtsp://u:pw@h:99999/s'}", "cameras.a.url: the host is followed by no port from 1 to 65535"),
        ("cameras: {a: 'rtsp://[::1]:rtsp/s'}", "cameras.a.url: the host is followed by no port from 1 to 65535"),
        # a URL where none belongs keeps its password for itself
        ("cameras: ['rtsp://u:geheim@h/s']", "got the text 'rtsp://***@h/s'"),
        ("cameras: {a: {'rtsp://u:geheim@h/s': 1, url: x}}", "cameras.a.rtsp://***@h/s: unknown key"),
        # redis
        (
            "cameras: {a: x}\nredis: {url: 'http://h'}",
            "site.yaml:2: redis.url: expected redis://, rediss:// or unix://",
        ),
        (
            "cameras: {a: x}\nredis: {url: 'redis://h:port'}",
            "site.yaml:2: redis.url: the host is followed by no port from 1 to 65535",
        ),
        ("cameras: {a: x}\nredis: {cluster: true}", "site.yaml:2: redis.cluster: needs url beside it"),
        ("cameras: {a: x}\nredis: {url: 'redis://h', ca_file: n}", "site.yaml:2: redis.ca_file: there is no such file"),
    ],
)
def test_a_fault_is_a_sentence_with_file_line_key_and_nearest(text: str, expected: str) -> None:
    found = sentences(text)
    assert [line for line in found if expected in line], found
    assert len(found) <= 2
    assert all(line.startswith("site.yaml") for line in found)
    assert not [line for line in found if "geheim" in line]


def test_a_rule_under_defaults_names_the_camera_that_lacks_its_zone() -> None:
    text = "defaults: {rules: [{kind: zone, zone: yard}]}\ncameras: {a: x}"
    assert sentences(text) == ["site.yaml:1: defaults.rules[0].zone: unknown zone 'yard' of camera 'a'"]


def test_all_faults_are_told_at_once_in_the_order_of_lines() -> None:
    text = """detector: {min_confidence: 2}
cameras:
  gate:
    url: rtps://h/s
  yard:
    url: x.mp4
    detect_fps: fast
  yard: y.mp4
redis: {url: nowhere}
"""
    found = sentences(text)
    assert [line.split(": ")[0] for line in found] == [
        "site.yaml:1",
        "site.yaml:4",
        "site.yaml:7",
        "site.yaml:8",
        "site.yaml:9",
    ]


def test_hundreds_of_faults_are_cut_at_fifty() -> None:
    found = sentences("cameras: {" + ", ".join(f"c{n}: {{url: x, k{n}: 1}}" for n in range(200)) + "}")
    assert len(found) == 51
    assert found[-1] == "site.yaml: … and 150 more faults"


def test_classes_are_checked_against_the_model_where_its_words_are_known(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "metadata.yaml").write_text("names: {0: person, 1: car, 2: forklift}\n")
    rules = "[{kind: crowd, labels: [cat]}]"
    text = (
        f"detector: {{weights: model, labels: [person, vehicle, frklift]}}\ncameras: {{a: {{url: x, rules: {rules}}}}}"
    )
    found = sentences(text, tmp_path)
    assert found[0].startswith("site.yaml:1: detector.labels[2]: unknown class 'frklift'; did you mean 'forklift'")
    assert found[1].startswith("site.yaml:2: cameras.a.rules[0].labels[0]: unknown class 'cat'")
    bag_less = site("detector: {weights: model}\ncameras: {a: x}", tmp_path).cameras[0].alert.rules
    assert [rule.kind for rule in bag_less] == ["loitering", "speed", "crowd"]


def test_the_hash_names_what_decides_and_nothing_else() -> None:
    base = site("cameras: {gate: {url: 'rtsp://u:secret@h/s'}}").config_hash
    assert len(base) == 16
    same = [
        "cameras: {gate: 'rtsp://other:password@elsewhere/x'}",
        "cameras: {gate: {url: x, detect_fps: 5}}\ndata_dir: /d\nredis: {url: 'redis://h'}\ntelemetry: {port: 9000}",
    ]
    assert {site(text).config_hash for text in same} == {base}
    others = ["cameras: {gate: {url: x, detect_fps: 4}}", "cameras: {gate: x}\ndetector: {min_confidence: 0.2}"]
    assert len({site(text).config_hash for text in others} | {base}) == 3


@settings(max_examples=60)
@given(secret=st.text(alphabet="abcXYZ0189!§%&=+~ ü'\"{}[]:#@/\\", min_size=8, max_size=24), place=st.integers(0, 4))
def test_a_secret_is_in_no_error_repr_or_hash(secret: str, place: int) -> None:
    texts = [
        "cameras: {a: {url: 'rtps://u:${PW}@h/s'}}",
        "cameras: {a: {url: 'rtsp://u:${PW}@h/s', transport: '${PW}'}}",
        "cameras: {a: {url: '${PW}', detect_fps: '${PW}'}}\nredis: {url: '${PW}'}",
        "cameras: {a: {url: 'rtsp://u:${PW}@h/s', time_zone: '${PW}x', rules: [{kind: crowd, schedule: '${PW}'}]}}",
        "cameras: {a: 'rtsp://u:${PW}@h/s'}",
    ]
    try:
        shown = repr(site(texts[place], PW=secret))
    except ConfigError as error:
        shown = str(error)
    assert secret.strip() not in shown


def test_addresses_alone_make_a_site(tmp_path: Path) -> None:
    urls = [
        "rtsp://admin:hush@10.0.0.5:554/a",
        "rtsp://10.0.0.5/b",
        "clips/front door.mp4",
        "file:///x/y.mkv",
        "-",
        "/dev/video0",
    ]
    one = site_of_urls(urls, {}, tmp_path)
    names = [camera.name for camera in one.cameras]
    assert names == ["10-0-0-5", "10-0-0-5-2", "front-door", "y", "camera", "video0"]
    assert one.cameras[2].url.reveal() == f"{tmp_path}/clips/front door.mp4"
    assert one.cameras[0].url.reveal() == urls[0]
    assert "hush" not in repr(one)
    assert site_of_urls(["rtsp://h/${x}"], {}).cameras[0].url.reveal() == "rtsp://h/${x}"
    with pytest.raises(ConfigError, match="command line: cameras"):
        site_of_urls([])
    with pytest.raises(ConfigError, match=r"command line: cameras\[0\].url: unknown kind of URL 'gopher'"):
        site_of_urls(["gopher://h/s"])


def test_a_file_on_disk_is_read_with_the_processs_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("cameras: {gate: 'rtsp://u:${VEDETTE_TEST_PW}@h/s'}")
    monkeypatch.setenv("VEDETTE_TEST_PW", "a:b")
    one = load_site(path)
    assert one.path == path
    assert one.camera("gate").url.reveal() == "rtsp://u:a%3Ab@h/s"
    assert one.only("gate").cameras == one.cameras
    with pytest.raises(KeyError):
        one.camera("nobody")
