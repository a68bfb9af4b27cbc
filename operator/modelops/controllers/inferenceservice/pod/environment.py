"""Variables of containers that run a user's image, as the API server writes them back. Pure."""

from collections.abc import Iterable, Mapping

from modelops.api.pods import EnvVar
from modelops.controllers.containers import environment, override_variables
from modelops.machinery.resources import Body


def canonical_environment(defaults: Mapping[str, str], users: Iterable[EnvVar]) -> list[Body]:
    """Return the defaults, then the user's own variables, which win.

    Empty values are left out, as the API server leaves them out.
    """
    values = [{"name": name, "value": value} for name, value in defaults.items()]
    variables = override_variables(values, environment(users))
    return [{field: value for field, value in variable.items() if value != ""} for variable in variables]
