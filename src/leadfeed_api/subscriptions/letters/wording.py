"""The words of mails and of the pages behind their links, in English and French. Pure.

Owns every sentence a reader meets, how times are written, and how a subscription is called. A text with ``|`` has a
singular and a plural, chosen by ``n``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from unicodedata import normalize
from zoneinfo import ZoneInfo

from leadfeed_api.subscriptions.match import Rule

LanguageCode = Literal["en", "fr"]


@dataclass(frozen=True, slots=True)
class Language:
    """One language's texts, and the names of its days and months."""

    code: LanguageCode
    texts: Mapping[str, str]
    days: Sequence[str]
    months: Sequence[str]

    def say(self, key: str, *, n: int = 1, **values: object) -> str:
        """The text of that key, filled in."""
        singular, _, plural = self.texts[key].partition("|")
        of = {f"of_{name}": _of(str(value)) for name, value in values.items()} if self.code == "fr" else {}
        return (plural if plural and self._is_plural(n) else singular).format(n=n, **values, **of)

    def _is_plural(self, n: int) -> bool:
        return n >= 2 if self.code == "fr" else n != 1

    def when(self, instant: datetime, zone: ZoneInfo, now: datetime) -> str:
        """``Mon 23 Nov, 10:12`` on the clock of ``zone``; with the year, where it is not this one."""
        local = instant.astimezone(zone)
        year = "" if local.year == now.astimezone(zone).year else f" {local.year}"
        day, month = self.days[local.weekday()], self.months[local.month - 1]
        return f"{day} {local.day} {month}{year}, {local:%H:%M}"

    def listed(self, names: Sequence[str]) -> str:
        """``A, B and C``."""
        if len(names) < 2:
            return "".join(names)
        return f"{', '.join(names[:-1])} {self.texts['and']} {names[-1]}"

    def called(self, rule: Rule, label: str | None, *, mine: bool) -> str:
        """What a subscription of the reader (``mine``), or of a colleague of theirs, is to; part of a sentence."""
        if rule.kind in {"lead", "account"}:
            return self.say(f"to_{rule.kind}", name=label or rule.value)
        whose = self.texts[f"{'my' if mine else 'their'}_{rule.scope}"]
        if rule.kind == "type":
            return self.say(f"to_{rule.value}", whose=whose)
        return self.say("to_words", words=rule.value, whose=whose)


def _of(name: str) -> str:
    """*De* before a French name: ``d’Initech``, ``de Globex``. An h is taken for one that is heard."""
    letter = normalize("NFD", name[:1]).lower()[:1]
    return f"d’{name}" if letter and letter in "aeiouœæ" else f"de {name}"


_ENGLISH = {
    "and": "and",
    "product": "Lead feed",
    "title_instant": "New moments",
    "title_hourly": "Hourly digest",
    "title_daily": "Daily digest",
    "web": "Web",
    "email": "E-mail",
    "milestone": "Milestone",
    "star": "Best bet",
    "at": "{title} at {account}",
    "who": "{name} ({account})",
    "subject_one": "{who}: {what}",
    "subject_person": "{who}: {what} (and {n} more)",
    "subject_people": "{n} moment from {names}|{n} moments from {names}",
    "others": "{n} other|{n} others",
    "more_moments": "and {n} more|and {n} more",
    "more_people": "One more person did something: see your feed.|{n} more people did something: see your feed.",
    "open": "Open {name}",
    "feed": "See your feed",
    "label": "{what}:",
    "times": "Times are those of {zone}.",
    "why_mine": "You subscribed {to}.",
    "why_theirs": "{name} subscribed you {to}.",
    "why_more": "And {n} more subscription.|And {n} more subscriptions.",
    "to_lead": "to {name}",
    "to_account": "to everyone at {name}",
    "to_web": "to web moments {whose}",
    "to_email": "to email moments {whose}",
    "to_milestone": "to milestones {whose}",
    "to_words": "to moments {whose} that mention “{words}”",
    "my_owned": "of your leads",
    "my_feed": "of the leads in your feed",
    "their_owned": "of their leads",
    "their_feed": "of the leads in their feed",
    "stop": "Stop all these mails",
    "sent_to": "Sent to {address} on behalf of {organization}.",
    "question_subject": "May {organization} mail you moments of its leads?",
    "question": "{name} of {organization} wants to have moments of leads mailed to {address}.",
    "question_somebody": "Somebody at {organization} wants to have moments of leads mailed to {address}.",
    "question_what": "Moments are what leads just did: a visit, an answered mail, a milestone.",
    "question_how": "Nothing is mailed before you agree. If you do nothing, it stays that way.",
    "agree": "I agree",
    "refuse": "No, and do not ask again",
    "page_stop_title": "Stop these mails?",
    "page_stop": "{address} will get no more mail about moments from {organization}.",
    "page_stop_button": "Stop these mails",
    "page_refuse_title": "Not ask you again?",
    "page_refuse": "{organization} will mail nothing to {address}, and nobody there can have you asked again.",
    "page_refuse_button": "Do not ask again",
    "page_stopped_title": "Done",
    "page_stopped": "{address} gets no more mail about moments from {organization}.",
    "page_again_button": "That was a mistake: mail me again",
    "page_again_title": "Welcome back",
    "page_again": "{address} will be mailed again when something matches.",
    "page_waits_title": "One more thing",
    "page_waits": "{address} will be mailed once you have agreed, by the link in the mail that asked you.",
    "page_lost_title": "This link does not work",
    "page_lost": "It was cut off or changed. Copy the whole link from the mail.",
    "page_elsewhere_title": "This link has done its work",
    "page_elsewhere": (
        "The mails it belongs to no longer go to the address that it was sent to. "
        "If they reach you at another one, use the link in the latest."
    ),
    "page_confirm_title": "May we mail you?",
    "page_confirm": "{organization} may mail moments of its leads to {address}.",
    "page_confirm_button": "I agree",
    "page_confirmed_title": "Thank you",
    "page_confirmed": "{organization} may now mail moments of its leads to {address}. Each has a link to stop it.",
}
_FRENCH = {
    "and": "et",
    "product": "Fil des leads",
    "title_instant": "Nouveaux moments",
    "title_hourly": "Résumé de l’heure",
    "title_daily": "Résumé du jour",
    "web": "Web",
    "email": "E-mail",
    "milestone": "Étape clé",
    "star": "Priorité",
    "at": "{title}, {account}",
    "who": "{name} ({account})",
    "subject_one": "{who} : {what}",
    "subject_person": "{who} : {what} (et {n} de plus)",
    "subject_people": "{n} moment {of_names}|{n} moments {of_names}",
    "others": "{n} autre|{n} autres",
    "more_moments": "et {n} autre|et {n} autres",
    "more_people": "Une autre personne a agi : voyez votre fil.|{n} autres personnes ont agi : voyez votre fil.",
    "open": "Ouvrir {name}",
    "feed": "Voir votre fil",
    "label": "{what} :",
    "times": "Les heures sont celles {of_zone}.",
    "why_mine": "Vous recevez cet e-mail par votre abonnement {to}.",
    "why_theirs": "{name} vous l’envoie par son abonnement {to}.",
    "why_more": "Et {n} autre abonnement.|Et {n} autres abonnements.",
    "to_lead": "à {name}",
    "to_account": "à toute l’équipe {of_name}",
    "to_web": "aux moments web {whose}",
    "to_email": "aux moments e-mail {whose}",
    "to_milestone": "aux étapes clés {whose}",
    "to_words": "aux moments {whose} qui citent « {words} »",
    "my_owned": "de vos leads",
    "my_feed": "des leads de votre fil",
    "their_owned": "de ses leads",
    "their_feed": "des leads de son fil",
    "stop": "Arrêter tous ces e-mails",
    "sent_to": "Envoyé à {address} pour le compte {of_organization}.",
    "question_subject": "{organization} peut-elle vous écrire au sujet de ses leads ?",
    "question": "{name}, {of_organization}, souhaite faire envoyer des moments de leads à {address}.",
    "question_somebody": "Quelqu’un chez {organization} souhaite faire envoyer des moments de leads à {address}.",
    "question_what": "Un moment est ce qu’un lead vient de faire : une visite, une réponse, une étape clé.",
    "question_how": "Rien n’est envoyé sans votre accord. Sans réponse, cela restera ainsi.",
    "agree": "J’accepte",
    "refuse": "Non, et ne me le demandez plus",
    "page_stop_title": "Arrêter ces e-mails ?",
    "page_stop": "{address} ne recevra plus d’e-mails sur les moments {of_organization}.",
    "page_stop_button": "Arrêter ces e-mails",
    "page_refuse_title": "Ne plus vous le demander ?",
    "page_refuse": "{organization} n’enverra rien à {address}, et personne là-bas ne pourra vous reposer la question.",
    "page_refuse_button": "Ne plus me le demander",
    "page_stopped_title": "C’est fait",
    "page_stopped": "{address} ne reçoit plus d’e-mails sur les moments {of_organization}.",
    "page_again_button": "C’était une erreur : écrivez-moi de nouveau",
    "page_again_title": "Heureux de vous revoir",
    "page_again": "{address} recevra de nouveau un e-mail quand quelque chose correspond.",
    "page_waits_title": "Encore une chose",
    "page_waits": "{address} recevra des e-mails quand vous aurez accepté, par le lien de l’e-mail qui le demande.",
    "page_lost_title": "Ce lien ne mène nulle part",
    "page_lost": "Il a été coupé ou modifié en chemin. Copiez-le en entier depuis l’e-mail.",
    "page_elsewhere_title": "Ce lien ne sert plus",
    "page_elsewhere": (
        "Les e-mails auxquels il appartient ne vont plus à l’adresse qui l’a reçu. "
        "S’ils vous parviennent à une autre, utilisez le lien du plus récent."
    ),
    "page_confirm_title": "Pouvons-nous vous écrire ?",
    "page_confirm": "{organization} pourra envoyer les moments de ses leads à {address}.",
    "page_confirm_button": "J’accepte",
    "page_confirmed_title": "Merci",
    "page_confirmed": (
        "{organization} peut désormais envoyer les moments de ses leads à {address}. "
        "Chaque e-mail contient un lien pour les arrêter."
    ),
}
LANGUAGES: Mapping[LanguageCode, Language] = {
    "en": Language(
        "en",
        _ENGLISH,
        ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    ),
    "fr": Language(
        "fr",
        _FRENCH,
        ("lun.", "mar.", "mer.", "jeu.", "ven.", "sam.", "dim."),
        ("janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.", "déc."),
    ),
}
