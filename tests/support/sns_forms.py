"""A client of SNS as `support.sqs.Client` is one of the services that speak JSON: forms go there, XML comes back."""

from urllib.parse import urlencode
from xml.etree import ElementTree

from support.sqs import Client, ServiceError, sign

VERSION = "2010-03-31"


class SnsClient(Client):
    """Calls one node. Not for several threads at once. An answer is the texts of its elements, by their names: those of
    actions that answer lists tell little so."""

    def call(self, action, **parameters):
        response, answer = self._exchange(*self._request(action, parameters))
        told = texts(answer)
        if response.status == 200:
            return told
        raise ServiceError(response.status, told.get("Code", ""), told.get("Message", ""), told)

    def _request(self, action, parameters):
        body = urlencode({"Action": action, "Version": VERSION, **parameters}).encode()
        headers = {"Host": self.host, "Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        sign("POST", "/", "", headers, body, access_key=self.access_key, region=self.region)
        return body, headers


def texts(answer):
    """The text of each element that has one, by its name without the namespace."""
    try:
        elements = ElementTree.fromstring(answer).iter()
    except ElementTree.ParseError:
        return {"Message": repr(answer[:200])}
    return {element.tag.rpartition("}")[2]: element.text for element in elements if element.text}


def entries(name, pairs, key="key", value="value"):
    """The parameters of a map."""
    told = {}
    for number, (this, that) in enumerate(pairs, 1):
        told |= {f"{name}.entry.{number}.{key}": this, f"{name}.entry.{number}.{value}": that}
    return told
