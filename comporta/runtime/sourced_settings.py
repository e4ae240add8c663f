"""Sources of the settings: the environment before the file `.env`."""

from __future__ import annotations

from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

__all__ = ["SourcedSettings"]


class SourcedSettings(BaseSettings):
    """Settings that ask only the sources that hold something: one that is empty would be asked for every setting."""

    model_config = SettingsConfigDict(defer_build=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources in the order of their precedence; of a folder of secrets nothing is read."""
        del settings_cls, file_secret_settings
        sources = (init_settings, env_settings, dotenv_settings)
        return tuple(each for each in sources if not isinstance(each, EnvSettingsSource) or each.env_vars)
