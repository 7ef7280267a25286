"""AWS WAF's tags: key and value beside an IP set, a rule group or a web ACL. Terraform asks for them at each look.

https://docs.aws.amazon.com/waf/latest/APIReference/API_TagResource.html and its neighbours. Their forms are
checked with those of all names. What AWS documents nowhere is left as lenient as it can be: of a key that is given
twice the last value stays, and one that is not there may be taken away.
"""

from collections.abc import Callable, Mapping

from localstack.edge_http import Request
from localstack.waf_parts import PAGE_SIZE, Data, Handler, limit_exceeded, nonexistent, unfit

TAGS_EACH = 50


class Tags:
    """The tags of all resources, by ARN: an ARN ends with an id, so none comes twice.

    Args:
        knows: Whether there is a resource of that ARN.
    """

    def __init__(self, knows: Callable[[str], bool]) -> None:
        self._knows = knows
        self._tags: dict[str, dict[str, str]] = {}
        self.actions: dict[str, Handler] = {
            "TagResource": self._tag,
            "UntagResource": self._untag,
            "ListTagsForResource": self._list,
        }

    def clear(self) -> None:
        """Forget all."""
        self._tags.clear()

    def check(self, data: Data, known: Mapping[str, str] | None = None) -> dict[str, str]:
        """Read the tags of a call beside those that there are; a Create call may have none.

        Raises:
            ApiError: If they are too many, or an empty list.
        """
        given = data.get("Tags")
        if given == []:
            raise unfit("tags", "[]", "Member must have length greater than or equal to 1")
        tags = {**(known or {}), **{each["Key"]: each["Value"] for each in given or []}}
        if len(tags) > TAGS_EACH:
            raise limit_exceeded()
        return tags

    def put(self, arn: str, tags: dict[str, str]) -> None:
        """Give a resource these tags, and no others."""
        self._tags[arn] = tags

    def _tag(self, _request: Request, data: Data) -> Data:
        arn = self._arn(data)
        self.put(arn, self.check(data, self._tags.get(arn)))
        return {}

    def _untag(self, _request: Request, data: Data) -> Data:
        tags = self._tags.get(self._arn(data), {})
        for key in data["TagKeys"]:
            tags.pop(key, None)
        return {}

    def _list(self, _request: Request, data: Data) -> Data:
        arn, limit, after = self._arn(data), int(data.get("Limit", PAGE_SIZE)), str(data.get("NextMarker", ""))
        if not 1 <= limit <= PAGE_SIZE:
            raise unfit("limit", str(limit), f"Member must have value between 1 and {PAGE_SIZE}")
        rest = sorted(item for item in self._tags.get(arn, {}).items() if item[0] > after)
        page = [{"Key": key, "Value": value} for key, value in rest[:limit]]
        more = {"NextMarker": page[-1]["Key"]} if len(page) < len(rest) else {}
        return {"TagInfoForResource": {"ResourceARN": arn, "TagList": page}, **more}

    def _arn(self, data: Data) -> str:
        arn = str(data["ResourceARN"])
        if not self._knows(arn):
            raise nonexistent()
        return arn
