"""Texts and spoken sentences, in every language of the IVR.

These are not gettext messages: the IVR has more languages than the pages, and a language must be complete or is not
offered. Texts stay within GSM 03.38.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LANGUAGES: Mapping[str, str] = {"en": "English", "de": "Deutsch", "fr": "Français", "es": "Español"}


@dataclass(frozen=True, slots=True)
class Translations:
    """All sentences of one language. ``{}`` fields are filled by ``sms.py``."""

    text: str
    """The code, and the organisation that it is for."""
    text_short: str
    """The same without a name, where space is short."""
    purposes: Mapping[str, str]
    """The purpose of the code, each in one short sentence."""
    place: str
    not_you: str
    not_you_short: str
    greeting: str
    spoken_purposes: Mapping[str, str]
    """The purpose of a call."""
    press_one: str
    match: str
    fraud_key: str
    code: str
    again: str
    once_more: str
    mismatch: str
    approved: str
    thanks: str
    thanks_unmailed: str
    """The same where no mail can be sent, so that administrators only see the report."""
    goodbye: str
    number_changed: str
    number_removed: str
    test: str


WORDS: Mapping[str, Translations] = {
    "en": Translations(
        text="{code} is your {organisation} code.",
        text_short="{code} is your code.",
        purposes={
            "sign_in": "For signing in.",
            "confirm": "To confirm a change.",
            "register": "To add this phone.",
            "recover": "For a new password.",
        },
        place="Asked for in: {place}.",
        not_you="Not you? Somebody knows your password: change it.",
        not_you_short="Not you? Change your password.",
        greeting="Hello. This is the sign-in service of {organisation}.",
        spoken_purposes={
            "sign_in": "Somebody is signing in to your account.",
            "confirm": "Somebody is changing something in your account.",
            "register": "This phone is being added to an account.",
            "recover": "Somebody is choosing a new password for your account.",
        },
        press_one="To hear your security code, press 1.",
        match="To sign in, press the two digits that your screen shows.",
        fraud_key="If you are not signing in right now, press 0 and then the hash key.",
        code="Your security code is:",
        again="Once more:",
        once_more="To hear it again, press 1.",
        mismatch="These are not the right digits. Please try again.",
        approved="Thank you. You can go on at your screen. Goodbye.",
        thanks="Thank you. The code is void and your administrators are being told. Goodbye.",
        thanks_unmailed="Thank you. The code is void and your administrators can see your report. Goodbye.",
        goodbye="Goodbye.",
        number_changed="{organisation}: the phone for signing in to your account was changed to another number. "
        "Not you? Tell your administrator at once.",
        number_removed="{organisation}: this phone no longer gets codes for signing in. "
        "Not you? Tell your administrator at once.",
        test="This is a test of {organisation}. No code is needed.",
    ),
    "de": Translations(
        text="{code} ist Ihr Code für {organisation}.",
        text_short="{code} ist Ihr Code.",
        purposes={
            "sign_in": "Für die Anmeldung.",
            "confirm": "Für eine Änderung.",
            "register": "Für dieses Telefon.",
            "recover": "Für ein neues Passwort.",
        },
        place="Angefragt aus: {place}.",
        not_you="Nicht Sie? Jemand kennt Ihr Passwort: ändern Sie es.",
        not_you_short="Nicht Sie? Passwort ändern.",
        greeting="Guten Tag. Hier ist der Anmeldedienst von {organisation}.",
        spoken_purposes={
            "sign_in": "Jemand meldet sich gerade an Ihrem Konto an.",
            "confirm": "Jemand ändert gerade etwas an Ihrem Konto.",
            "register": "Dieses Telefon wird gerade einem Konto hinzugefügt.",
            "recover": "Jemand wählt gerade ein neues Passwort für Ihr Konto.",
        },
        press_one="Um Ihren Sicherheitscode zu hören, drücken Sie die 1.",
        match="Um sich anzumelden, drücken Sie die beiden Ziffern, die Ihr Bildschirm zeigt.",
        fraud_key="Wenn Sie sich gerade nicht anmelden, drücken Sie die 0 und dann die Rautetaste.",
        code="Ihr Sicherheitscode lautet:",
        again="Noch einmal:",
        once_more="Um ihn noch einmal zu hören, drücken Sie die 1.",
        mismatch="Das sind nicht die richtigen Ziffern. Bitte versuchen Sie es noch einmal.",
        approved="Vielen Dank. Es geht an Ihrem Bildschirm weiter. Auf Wiederhören.",
        thanks="Vielen Dank. Der Code ist ungültig, und Ihre Administratoren werden benachrichtigt. Auf Wiederhören.",
        thanks_unmailed="Vielen Dank. Der Code ist ungültig, und Ihre Administratoren können Ihre Meldung sehen. "
        "Auf Wiederhören.",
        goodbye="Auf Wiederhören.",
        number_changed="{organisation}: Codes für Ihre Anmeldung gehen jetzt an eine andere Nummer. "
        "Nicht Sie? Sagen Sie es sofort Ihrem Administrator.",
        number_removed="{organisation}: Dieses Telefon bekommt keine Codes mehr. "
        "Nicht Sie? Sagen Sie es sofort Ihrem Administrator.",
        test="Dies ist ein Test von {organisation}. Sie brauchen keinen Code.",
    ),
    "fr": Translations(
        text="{code} est votre code {organisation}.",
        text_short="{code} est votre code.",
        purposes={
            "sign_in": "Pour vous connecter.",
            "confirm": "Pour confirmer un changement.",
            "register": "Pour ajouter ce numéro.",
            "recover": "Pour un nouveau mot de passe.",
        },
        place="Demandé depuis: {place}.",
        not_you="Pas vous? Votre mot de passe est connu: changez-le.",
        not_you_short="Pas vous? Changez de mot de passe.",
        greeting="Bonjour. Ici le service de connexion de {organisation}.",
        spoken_purposes={
            "sign_in": "Quelqu'un se connecte à votre compte.",
            "confirm": "Quelqu'un modifie votre compte.",
            "register": "Ce téléphone est en train d'être ajouté à un compte.",
            "recover": "Quelqu'un choisit un nouveau mot de passe pour votre compte.",
        },
        press_one="Pour entendre votre code de sécurité, tapez 1.",
        match="Pour vous connecter, tapez les deux chiffres affichés sur votre écran.",
        fraud_key="Si vous n'êtes pas en train de vous connecter, tapez 0 puis dièse.",
        code="Votre code de sécurité est :",
        again="Je répète :",
        once_more="Pour le réentendre, tapez 1.",
        mismatch="Ce ne sont pas les bons chiffres. Veuillez réessayer.",
        approved="Merci. Vous pouvez continuer sur votre écran. Au revoir.",
        thanks="Merci. Le code est annulé et vos administrateurs vont être prévenus. Au revoir.",
        thanks_unmailed="Merci. Le code est annulé et vos administrateurs peuvent voir votre signalement. Au revoir.",
        goodbye="Au revoir.",
        number_changed="{organisation}: les codes de connexion vont maintenant à un autre numéro. "
        "Pas vous? Prévenez vite votre administrateur.",
        number_removed="{organisation}: ce numéro ne reçoit plus de codes. "
        "Pas vous? Prévenez vite votre administrateur.",
        test="Ceci est un test de {organisation}. Aucun code n'est demandé.",
    ),
    "es": Translations(
        text="{code} es su código de {organisation}.",
        text_short="{code} es su código.",
        purposes={
            "sign_in": "Para iniciar sesión.",
            "confirm": "Para confirmar un cambio.",
            "register": "Para añadir este número.",
            "recover": "Para una clave nueva.",
        },
        place="Pedido desde: {place}.",
        not_you="¿No es usted? Alguien sabe su clave: cámbiela.",
        not_you_short="¿No es usted? Cambie su clave.",
        greeting="Hola. Este es el servicio de acceso de {organisation}.",
        spoken_purposes={
            "sign_in": "Alguien está entrando en su cuenta.",
            "confirm": "Alguien está cambiando algo en su cuenta.",
            "register": "Se está añadiendo este teléfono a una cuenta.",
            "recover": "Alguien está eligiendo una clave nueva para su cuenta.",
        },
        press_one="Para oír su código de seguridad, pulse 1.",
        match="Para entrar, pulse los dos dígitos que ve en su pantalla.",
        fraud_key="Si no está iniciando sesión ahora, pulse 0 y después almohadilla.",
        code="Su código de seguridad es:",
        again="Otra vez:",
        once_more="Para oírlo de nuevo, pulse 1.",
        mismatch="No son los dígitos correctos. Inténtelo otra vez.",
        approved="Gracias. Puede continuar en su pantalla. Adiós.",
        thanks="Gracias. El código queda anulado y avisaremos a sus administradores. Adiós.",
        thanks_unmailed="Gracias. El código queda anulado y sus administradores pueden ver su aviso. Adiós.",
        goodbye="Adiós.",
        number_changed="{organisation}: los códigos de acceso van ahora a otro número. "
        "¿No es usted? Avise ya a su administrador.",
        number_removed="{organisation}: este número ya no recibe códigos. ¿No es usted? Avise ya a su administrador.",
        test="Esto es una prueba de {organisation}. No hace falta ningún código.",
    ),
}
"""Spanish texts omit accents that GSM 03.38 lacks (á, í, ó, ú): see ``sms.in_gsm``."""


def words_of(language: str) -> Translations:
    """Return the sentences of a language, or the English ones where it has none."""
    return WORDS.get(language.split("-", maxsplit=1)[0].lower(), WORDS["en"])
