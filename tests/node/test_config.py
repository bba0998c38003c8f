"""Configuration: what wins over what, and how mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from motorcade.errors import Invalid
from motorcade.node.config import keys, load
from motorcade.node.rooms import ApiConfig, GatewayConfig, LogConfig, NodeConfig


def test_defaults_are_the_rooms_own() -> None:
    settings = load(None, {})
    assert settings.get(ApiConfig) == ApiConfig()
    assert settings.get(GatewayConfig).gbt32960.listen == "0.0.0.0:32960"


def test_command_line_wins_over_environment_over_file(tmp_path: Path) -> None:
    file = tmp_path / "motorcade.toml"
    file.write_text('[api]\nlisten = "a:1"\n[log]\npartitions = 3\n[node]\nworkers = 2\n')
    environment = {"MOTORCADE_API_LISTEN": "b:2", "MOTORCADE_LOG_PARTITIONS": "4", "HOME": "/"}
    settings = load(file, environment, ["api.listen=c:3"])
    assert settings.get(ApiConfig).listen == "c:3"
    assert settings.get(LogConfig).partitions == 4
    assert settings.get(NodeConfig).workers == 2


def test_nested_tables_are_reached_from_everywhere() -> None:
    settings = load(
        None,
        {"MOTORCADE_GATEWAY_GBT32960_ACKNOWLEDGE_REPORTS": "standard"},
        ["gateway.gbt32960.listen=127.0.0.1:0"],
    )
    listener = settings.get(GatewayConfig).gbt32960
    assert (listener.acknowledge_reports, listener.listen) == ("standard", "127.0.0.1:0")


@pytest.mark.parametrize(
    ("assignment", "told"),
    [
        ("api.lisen=x:1", "api.listen"),
        ("api", "table.key=value"),
        ("log.partitions=many", "log.partitions"),
        ("gateway.gbt32960.acknowledge_reports=sometimes", "acknowledge_reports"),
    ],
)
def test_a_wrong_assignment_is_named(assignment: str, told: str) -> None:
    with pytest.raises(Invalid, match=told):
        load(None, {}, [assignment])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[gatway]\n", "gateway"),
        ("[api]\nlisten_on = 1\n", "listen"),
        ('[api]\nlisten = "x:1"\n[api]\n', "not valid"),
        ("[log]\npartitions = true\n", "partitions"),
    ],
)
def test_a_wrong_file_is_told_by_place(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "motorcade.toml"
    file.write_text(text)
    with pytest.raises(Invalid, match=told):
        load(file, {})


def test_a_variable_nobody_reads_is_an_error() -> None:
    with pytest.raises(Invalid, match="MOTORCADE_API_LISTEN"):
        load(None, {"MOTORCADE_API_LISTENS": "x:1"})


@pytest.mark.parametrize(
    ("assignment", "told"),
    [
        ("api.listen=8000", "api.listen: must be host:port"),
        ("api.listen=", "api.listen: must be host:port"),
        ("gateway.gbt32960.tls_listen=x:y", r"gbt32960\.tls_listen: must be host:port"),
        ("log.partitions=0", "log.partitions: must be 1 to 256, not 0"),
        ("node.workers=3", r"node.workers: must be log.partitions \(2\) at most, not 3"),
        ("node.gateways=0", "node.gateways: must be 1"),
        ("node.apis=-1", "node.apis: must be 1"),
        ("node.log_level=loud", "debug, info, warning or error, not 'loud'"),
        ("node.data=", "node.data: must name"),
        ("history.commit_interval_s=0", "more than 0"),
        ("history.commit_interval_s=nan", "number"),
        ("api.request_timeout_s=-1", "0 or more"),
        ("gateway.tick_bytes_max=0", "1 or more"),
    ],
)
def test_a_value_out_of_range_is_named(assignment: str, told: str) -> None:
    with pytest.raises(Invalid, match=told):
        load(None, {}, [assignment])


def test_every_mistake_is_listed_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "motorcade.toml"
    file.write_text("node = 3\n[log]\npartitions = 0\nparts = 1\n[gatway]\n[api]\nlisten = 3\n")
    with pytest.raises(Invalid) as caught:
        load(file, {"MOTORCADE_TWIN_COALESCE_MS": "-1"}, ["fleet.pool_size=0"])
    head, *lines = caught.value.detail.splitlines()
    assert head == "7 settings are wrong:"
    for told, place in (
        ("no table gatway; did you mean gateway?", str(file)),
        ("node: must be a table", str(file)),
        ("[log] there is no key parts; did you mean partitions?", str(file)),
        ("api.listen: Expected `str`, got `int`", str(file)),
        ("log.partitions: must be 1 to 256", str(file)),
        ("twin.coalesce_ms: must be 0 or more", "MOTORCADE_TWIN_COALESCE_MS"),
        ("fleet.pool_size: must be 1", "--set"),
    ):
        assert [line for line in lines if told in line and line.endswith(f"(from {place})")], told


def test_a_key_below_what_is_no_table_is_told(tmp_path: Path) -> None:
    file = tmp_path / "motorcade.toml"
    file.write_text("api = 3\n")
    with pytest.raises(Invalid, match="api is 3 and no table"):
        load(file, {}, ["api.backlog=5"])


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="nowhere"):
        load(tmp_path / "nowhere.toml", {})


def test_settings_survive_the_way_to_a_child_process(tmp_path: Path) -> None:
    from motorcade.node.run_files import write_settings

    settings = load(None, {}, ["log.partitions=5", "gateway.gbt32960.listen=127.0.0.1:9"])
    file = write_settings(tmp_path, settings.plain())
    assert load(file, {}).plain() == settings.plain()
    assert file.stat().st_mode & 0o077 == 0


def test_changes_lie_over_nested_tables() -> None:
    settings = load(None, {}, ["gateway.linger_ms=5"])
    changed = settings.but({"gateway": {"gbt32960": {"listen": "h:1"}}})
    assert changed.get(GatewayConfig).linger_ms == 5
    assert changed.get(GatewayConfig).gbt32960.listen == "h:1"


def test_every_key_has_a_variable_of_its_own() -> None:
    names = [key.replace(".", "_").upper() for key, _ in keys()]
    assert len(names) == len(set(names))
