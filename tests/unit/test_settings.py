"""Settings: read from the environment, refused with every variable named."""

from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr
from pydantic_settings import DotEnvSettingsSource

from service.settings import ENV_PREFIX, Settings, SettingsInvalid, load_settings, microseconds

EXAMPLE = Path(__file__).resolve().parents[2] / ".env.example"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of the machine, no ``.env`` file of the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(ENV_PREFIX + name.upper(), raising=False)


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUSYHOUR_ADMIN_TOKEN", "a-secret")
    monkeypatch.setenv("BUSYHOUR_CALL_TOKEN", "c-secret")


@pytest.mark.usefixtures("tokens")
def test_defaults() -> None:
    settings = load_settings()
    assert settings.max_concurrent_calls == 100
    assert settings.clock == "system"
    assert settings.testbed is False
    assert settings.active_deadline_s is None


def test_missing_tokens_are_named_together() -> None:
    with pytest.raises(SettingsInvalid) as refused:
        load_settings()
    assert str(refused.value) == "BUSYHOUR_ADMIN_TOKEN is not set; BUSYHOUR_CALL_TOKEN is not set"


@pytest.mark.usefixtures("tokens")
def test_an_empty_token_is_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUSYHOUR_CALL_TOKEN", "")
    with pytest.raises(SettingsInvalid) as refused:
        load_settings()
    assert str(refused.value) == "BUSYHOUR_CALL_TOKEN is not set"


BAD = {
    "BUSYHOUR_MAX_CONCURRENT_CALLS": ["many", "-1", "1.5", "10000000000"],
    "BUSYHOUR_MAX_REMEMBERED_CALLS": ["0", "x"],
    "BUSYHOUR_DATABASE_URL": [
        "postgresql://db",
        "busyhour.db",
        "sqlite+aiosqlite://busyhour.db",
        "sqlite+aiosqlite:///busyhour.db?timeout=soon",
        " sqlite+aiosqlite://",
    ],
    "BUSYHOUR_METRICS_TOKEN": ["trailing-secret ", "\tsecret", "a\x7fsecret"],
    "BUSYHOUR_TESTBED": ["perhaps"],
    "BUSYHOUR_CLOCK": ["sundial", "virtual"],
    "BUSYHOUR_CALL_ID_RETENTION_S": ["0", "0.0000009", "-3", "soon", "NaN", "Infinity"],
    "BUSYHOUR_PENDING_DEADLINE_S": ["0", "-1", "1m"],
    "BUSYHOUR_ACCEPTED_DEADLINE_S": ["0"],
    "BUSYHOUR_ACTIVE_DEADLINE_S": ["0"],
    "BUSYHOUR_INSTRUCTIONS_CACHE_S": ["-1", "x"],
    "BUSYHOUR_LOG_LEVEL": ["LOUD", "debug"],
}


@pytest.mark.usefixtures("tokens")
@pytest.mark.parametrize(("name", "value"), [(name, value) for name in BAD for value in BAD[name]])
def test_a_bad_value_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsInvalid) as refused:
        load_settings()
    text = str(refused.value)
    assert text.startswith(name)
    assert "\n" not in text
    assert "secret" not in text


def test_all_bad_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUSYHOUR_MAX_CONCURRENT_CALLS", "many")
    monkeypatch.setenv("BUSYHOUR_LOG_LEVEL", "LOUD")
    with pytest.raises(SettingsInvalid) as refused:
        load_settings()
    for name in ("ADMIN_TOKEN", "CALL_TOKEN", "MAX_CONCURRENT_CALLS", "LOG_LEVEL"):
        assert f"BUSYHOUR_{name}" in str(refused.value)


@pytest.mark.usefixtures("tokens")
def test_the_virtual_clock_needs_the_testbed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUSYHOUR_CLOCK", "virtual")
    monkeypatch.setenv("BUSYHOUR_TESTBED", "true")
    assert load_settings().clock == "virtual"


@pytest.mark.usefixtures("tokens")
def test_the_environment_wins_over_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lines = "BUSYHOUR_MAX_CONCURRENT_CALLS=7\nBUSYHOUR_CALL_TOKEN=from-file\n"
    (tmp_path / ".env").write_text(lines, encoding="utf-8")
    settings = load_settings()
    assert settings.max_concurrent_calls == 7
    assert settings.call_token == SecretStr("c-secret")


@pytest.mark.usefixtures("tokens")
@pytest.mark.parametrize("name", ["BUSYHOUR_ADMIN_TOKEN", "BUSYHOUR_CALL_TOKEN"])
def test_a_token_that_no_header_can_carry_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "   ")
    with pytest.raises(SettingsInvalid, match=rf"^{name}: must be printable"):
        load_settings()


@pytest.mark.usefixtures("tokens")
def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"BUSYHOUR_LOG_LEVEL=\xff\n")
    with pytest.raises(SettingsInvalid, match=r"\.env"):
        load_settings()


def test_a_token_is_not_printed() -> None:
    settings = Settings(_env_file=None, admin_token="a-secret", call_token="c-secret")
    assert "secret" not in repr(settings)


def test_the_example_names_every_setting_and_can_be_used_as_it_is() -> None:
    source = DotEnvSettingsSource(Settings, env_file=EXAMPLE, env_ignore_empty=False)
    assert set(source.env_vars) == {(ENV_PREFIX + name).lower() for name in Settings.model_fields}
    settings = Settings(_env_file=EXAMPLE)
    for name, field in Settings.model_fields.items():
        if not field.is_required():
            assert getattr(settings, name) == field.default, "the example shows the default"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ("1", 1_000_000),
        ("0.0000005", 0),
        ("0.0000015", 2),
        ("0.1", 100_000),
        ("3600", 3_600_000_000),
    ],
)
def test_seconds_become_whole_microseconds_half_to_even(seconds: str, expected: int) -> None:
    assert microseconds(Decimal(seconds)) == expected
