"""Card payments with rare frauds: a table simulated on the spot, and a real one that is downloaded.

    table = make_fraud()         # seeded; no download, no licence
    table = load_creditcard()    # the ULB table of 2013, through OpenML
    X_train, X_test, y_train, y_test = table.split()

In the simulation customers pay near home, at their own hours and level, and travel now and then; a few
cards are stolen, tried out, or copied at a compromised terminal. Every feature of a payment was known
when it was made.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from http.client import HTTPException
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.error import URLError

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CreditCardTable", "FraudTable", "load_creditcard", "make_fraud"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_DAY = 86_400
_DAYS = 120
_START = np.datetime64("2025-01-06T00:00:00", "s")  # a Monday
_MIN_TRANSACTIONS, _MAX_TRANSACTIONS = 1_000, 10_000_000  # beyond, the keys of _History overflow
_TOWNS = 8
_NEAR = 10  # terminals a customer is used to
_LABEL_DELAY = 7 * _DAY  # a fraud is known when the customer has complained

# Share of the incidents by kind, at the first and at the last day: what is learnt early ages.
_KINDS = ("terminal", "stolen", "testing")
_MIX_FIRST = np.array([0.35, 0.45, 0.20])
_MIX_LAST = np.array([0.20, 0.40, 0.40])


class _Table:
    """What both tables can do; their docstrings say what the attributes are."""

    X: NDArray[np.float32]
    y: NDArray[np.int8]
    time: NDArray[Any]
    feature_names: tuple[str, ...]

    def split(
        self, test_fraction: float = 0.3
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int8], NDArray[np.int8]]:
        """Split by time: train on the earlier payments, test on the later ones.

        Parameters
        ----------
        test_fraction : float in (0, 1)
            Share of the rows that is the later part. Payments of one second stay together, in the
            later part.

        Returns
        -------
        X_train, X_test, y_train, y_test : arrays
            Views, not copies.

        Raises
        ------
        ValueError
            If ``test_fraction`` is outside [0, 1], or leaves one of the parts empty.
        TypeError
            If it is no number.
        """
        cut = _cut(self.time, test_fraction)
        return self.X[:cut], self.X[cut:], self.y[:cut], self.y[cut:]

    def frame(self) -> pd.DataFrame:
        """Return the table as a DataFrame: ``time``, the features, and the target ``fraud``.

        Returns
        -------
        pandas.DataFrame of shape (n, p + 2)
            Without ids.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        import pandas as pd

        features = dict(zip(self.feature_names, self.X.T, strict=True))
        return pd.DataFrame({"time": self.time, **features, "fraud": self.y})


@dataclass(frozen=True, eq=False, repr=False)
class FraudTable(_Table):
    """Card payments in order of time, n rows and p features.

    Attributes
    ----------
    X : float32 array of shape (n, p)
        Features, all finite; ``feature_names`` names the columns. Amounts are in currency units,
        distances in km, ``hour`` in [0, 24), ``weekday`` 0 (Monday) to 6; windows reach back from the
        payment and leave it out. With no payment in a window its mean is 0, the ratio to it 1, and
        ``seconds_since_last`` is 30 days, its upper limit.
    y : int8 array of shape (n,)
        1 for fraud, 0 for a payment of the customer's own.
    time : datetime64[s] array of shape (n,)
        When, ascending.
    customer, terminal : int64 arrays of shape (n,)
        Who and where, from 0. Not among the features.
    feature_names : tuple of str, length p
    """

    X: NDArray[np.float32]
    y: NDArray[np.int8]
    time: NDArray[np.datetime64]
    customer: Ints
    terminal: Ints
    feature_names: tuple[str, ...]

    def __repr__(self) -> str:
        n, p = self.X.shape
        days = self.time[[0, -1]].astype("datetime64[D]")
        return (
            f"FraudTable({n} payments, {int(self.y.sum())} frauds, {p} features, "
            f"{days[0]} to {days[1]})"
        )


def make_fraud(
    n_transactions: int = 120_000, fraud_rate: float = 0.005, seed: int = 0
) -> FraudTable:
    """Simulate card payments over 120 days, a few of them frauds.

    Parameters
    ----------
    n_transactions : int from 1000 to 10 000 000
        Rows of the table. Customers and terminals grow with it, about 150 payments per customer and
        80 per terminal.
    fraud_rate : float in [0.001, 0.1]
        Share of frauds, met to the nearest row.
    seed : int >= 0
        The same seed gives the same table, to the last bit on one machine and NumPy version.

    Returns
    -------
    FraudTable

    Raises
    ------
    ValueError
        If an argument is outside the range above.
    TypeError
        If it is not of the kind above.

    Notes
    -----
    Three kinds of incident, each with genuine payments that look like it:

    * a compromised terminal: for four to eight weeks some of its visitors are charged again, more
      than usual (look-alike: everybody else at that terminal);
    * a stolen card: for some hours larger payments, at any time of the day, mostly far from home
      (look-alike: journeys, one-off large purchases);
    * cards tried out: an hour or so of small charges at one online shop, then sometimes a large one
      (look-alike: small online charges, several payments within minutes).

    The mix moves from the first to the last kind over the 120 days, and thieves grow more careful
    with amounts; the frauds of one incident resemble each other. So a random split flatters every
    model, and ``FraudTable.split`` does not. With 600 frauds in about 50 incidents the tables of two
    seeds differ: LightGBM's average precision on the later 30 % is .55 to .75 over seeds 0 to 7
    (100 rounds, ``lambda_l2=1``), .75 to .84 on a random 30 %.

    Frauds of a terminal and of a card become known, and enter the features, 7 days after. The first
    weeks have short histories, as in any table that starts somewhere.

    Examples
    --------
    >>> table = make_fraud(2_000, seed=1)
    >>> table.X.shape, int(table.y.sum()), table.feature_names[0]
    ((2000, 28), 10, 'amount')
    """
    _check("n_transactions", n_transactions, Integral, _MIN_TRANSACTIONS, _MAX_TRANSACTIONS)
    _check("fraud_rate", fraud_rate, Real, 0.001, 0.1)
    _check("seed", seed, Integral, 0, np.inf)

    rng = np.random.default_rng(seed)
    n_frauds = round(n_transactions * fraud_rate)
    world = _make_world(n_transactions, rng)
    genuine = _genuine(world, n_transactions - n_frauds, rng)
    payments = _join([genuine, _frauds(world, genuine, n_frauds, rng)])
    payments = payments.take(np.argsort(payments.seconds, kind="stable"))
    names, columns = zip(*_features(world, payments).items(), strict=True)
    return FraudTable(
        X=np.column_stack(columns).astype(np.float32),
        y=payments.fraud.astype(np.int8),
        time=_START + payments.seconds.astype("timedelta64[s]"),
        customer=payments.customer,
        terminal=payments.terminal,
        feature_names=names,
    )


def _cut(time: NDArray[Any], test_fraction: float) -> int:
    """Return the first row of the later part; payments of one second stay together."""
    _check("test_fraction", test_fraction, Real, 0, 1)
    n = len(time)
    late = round(n * test_fraction)
    cut = int(np.searchsorted(time, time[-late])) if late else n  # between seconds
    if not 0 < cut < n:
        raise ValueError(
            f"test_fraction must leave rows in both parts of {n}, got {test_fraction!r}"
        )
    return cut


def _check(name: str, value: Any, kind: type, low: float, high: float) -> None:
    """Raise with one sentence if ``value`` is no number of the kind, or outside [low, high]."""
    noun = "an integer" if kind is Integral else "a number"
    allowed = f"{name} must be {noun} in [{low}, {high}], got {value!r}"
    of_kind = isinstance(value, kind) and not isinstance(value, bool)
    if not of_kind:
        raise TypeError(allowed)
    if not low <= value <= high:
        raise ValueError(allowed)


# ---- the real table ------------------------------------------------------------------------------

_OPENML_ID = 1597
_ROWS, _FRAUDS = 284_807, 492
_CARD_FEATURES = (*(f"V{i}" for i in range(1, 29)), "Amount")


@dataclass(frozen=True, eq=False, repr=False)
class CreditCardTable(_Table):
    """Real card payments of two days in September 2013 in order of time, n rows and 29 features.

    Attributes
    ----------
    X : float32 array of shape (n, 29)
        Features, all finite: ``V1`` to ``V28``, principal components of what the owners keep to
        themselves, and the ``Amount`` of the payment.
    y : int8 array of shape (n,)
        1 for fraud, 0 for a genuine payment.
    time : timedelta64[s] array of shape (n,)
        Since the first payment, ascending. Not among the features.
    feature_names : tuple of str, length 29
    """

    X: NDArray[np.float32]
    y: NDArray[np.int8]
    time: NDArray[np.timedelta64]
    feature_names: tuple[str, ...]

    def __repr__(self) -> str:
        n, p = self.X.shape
        hours = self.time[-1] / np.timedelta64(1, "h")
        frauds = int(self.y.sum())
        return f"CreditCardTable({n} payments, {frauds} frauds, {p} features, {hours:.0f} hours)"


def load_creditcard(*, data_home: str | os.PathLike[str] | None = None) -> CreditCardTable:
    """Load the ULB credit-card table, 284 807 payments with 492 frauds, from OpenML (data set 1597).

    The first call downloads up to 150 MB: scikit-learn's ``fetch_openml`` does that, and keeps the file
    for later calls.

    Parameters
    ----------
    data_home : path, optional
        Where to keep the file, in the subfolder ``openml``. None: the folder that all of scikit-learn's
        data goes to, ``~/scikit_learn_data`` or what the environment variable SCIKIT_LEARN_DATA says.

    Returns
    -------
    CreditCardTable

    Raises
    ------
    ImportError
        If scikit-learn or pandas is not installed.
    ConnectionError
        (an OSError) If OpenML cannot be reached and the file is not there yet.
    ValueError
        If what came is not the table: see Notes.

    Notes
    -----
    What is checked, on every call: by scikit-learn, that the MD5 of the file is the one which OpenML
    states in its description of the data set; here, the names of the 31 columns, the numbers of rows and
    of frauds, that all values are finite and that the time ascends. No digest is kept here, so a file
    replaced at OpenML, description included, would pass if it kept all that.

    OpenML marks the column ``Time`` as the identifier of the row. ``fetch_openml`` leaves such a column
    out unless it is asked for by name, as it is here.

    Two days hold no week and little drift. The table does not tell which payments are of one card, nor
    whether the principal components were fitted on both days.

    References
    ----------
    A. Dal Pozzolo, O. Caelen, R. A. Johnson, G. Bontempi, "Calibrating probability with undersampling
    for unbalanced classification", IEEE CIDM 2015. https://www.openml.org/d/1597
    """
    try:
        import pandas  # noqa: F401 (what scikit-learn reads the file with)
        from sklearn.datasets import fetch_openml, get_data_home
    except ImportError as error:
        raise ImportError(
            f"load_creditcard needs scikit-learn and pandas, {error.name} is missing: "
            'pip install "focalboost[sklearn]" pandas'
        ) from error
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "target_column='Time' has flag", UserWarning)
            table = fetch_openml(
                data_id=_OPENML_ID,
                target_column="Time",
                data_home=data_home,
                as_frame=True,
                parser="pandas",
            ).frame
    except (URLError, ConnectionError, TimeoutError, HTTPException) as error:
        raise ConnectionError(
            f"load_creditcard must reach openml.org once, to download data set {_OPENML_ID} into "
            f"{os.path.join(get_data_home(data_home), 'openml')}, and could not: {error}. "
            "make_fraud() needs no download"
        ) from error
    return _creditcard(table)


def _creditcard(table: pd.DataFrame) -> CreditCardTable:
    """Check that it is the table, and give it our form."""
    source = f"data set {_OPENML_ID} of OpenML must have"
    columns = ["Time", *_CARD_FEATURES, "Class"]
    if sorted(table.columns) != sorted(columns):
        raise ValueError(
            f"{source} the columns Time, V1 to V28, Amount and Class, got {', '.join(table.columns)}"
        )
    label = table["Class"].astype(str).to_numpy()
    genuine, frauds = int((label == "0").sum()), int((label == "1").sum())
    if (len(table), genuine, frauds) != (_ROWS, _ROWS - _FRAUDS, _FRAUDS):
        raise ValueError(
            f"{source} {_ROWS} rows, {_FRAUDS} of them with Class 1 and the others 0, got {len(table)} "
            f"rows, {frauds} with Class 1 and {genuine} with 0"
        )
    X = table[list(_CARD_FEATURES)].to_numpy(np.float32)
    seconds = table["Time"].to_numpy(np.float64)
    if not (np.isfinite(X).all() and np.isfinite(seconds).all()):
        raise ValueError(f"{source} finite values, got NaN or infinity")
    if not (np.diff(seconds) >= 0).all():
        row = int(np.argmax(np.diff(seconds) < 0)) + 1
        raise ValueError(f"{source} rows in order of Time, got an earlier one at row {row}")
    return CreditCardTable(
        X=X,
        y=(label == "1").astype(np.int8),
        time=seconds.astype(np.int64).astype("timedelta64[s]"),
        feature_names=_CARD_FEATURES,
    )


# ---- who and where -------------------------------------------------------------------------------


class _World(NamedTuple):
    """Customers and terminals. Places in km, hours of the day, amounts in currency units."""

    home: Floats  # (customers, 2)
    level: Floats  # (customers,), median amount
    activity: Floats  # (customers,), sums to 1
    active_hour: Floats  # (customers,)
    near: Ints  # (customers, _NEAR), terminals by distance
    place: Floats  # (terminals, 2); of no meaning where online
    online: NDArray[np.bool_]  # (terminals,)
    price: Floats  # (terminals,), factor on the amount
    shops: tuple[Ints, ...]  # per town its terminals
    web: Ints  # terminals online
    web_share: Floats  # of the online payments, sums to 1


class _Payments(NamedTuple):
    """Rows: seconds since the start, ids, amount in cents (integers add up exactly), label."""

    seconds: Ints
    customer: Ints
    terminal: Ints
    cents: Ints
    fraud: NDArray[np.bool_]

    def take(self, rows: Any) -> _Payments:
        return _Payments(*(column[rows] for column in self))


def _join(parts: list[_Payments]) -> _Payments:
    return _Payments(*map(np.concatenate, zip(*parts, strict=True)))


def _cents(amount: Floats) -> Ints:
    return np.maximum(np.rint(100 * amount), 10).astype(np.int64)


def _make_world(n_transactions: int, rng: np.random.Generator) -> _World:
    customers = max(20, n_transactions // 150)
    terminals = max(10 * _TOWNS, n_transactions // 80)
    town_place = rng.uniform(0, 150, (_TOWNS, 2))
    town_share = _power_law(_TOWNS, 1.0)
    # The first terminals go round the towns so that none is without; later, every eighth is online.
    town_of = rng.choice(_TOWNS, terminals, p=town_share)
    town_of[: 4 * _TOWNS] = np.arange(4 * _TOWNS) % _TOWNS
    online = np.zeros(terminals, dtype=bool)
    online[4 * _TOWNS :: 8] = True
    place = town_place[town_of] + rng.normal(0, 4, (terminals, 2))
    price = np.exp(rng.normal(0, 0.5, terminals))
    price[online & (rng.random(terminals) < 0.4)] *= 0.15  # songs, apps, parking
    shops = tuple(np.flatnonzero((town_of == town) & ~online) for town in range(_TOWNS))

    web = np.flatnonzero(online)
    home_town = rng.choice(_TOWNS, customers, p=town_share)
    home = town_place[home_town] + rng.normal(0, 4, (customers, 2))
    # A sample of the town's shops, nearest first: all pairs would not fit for large tables.
    seen = _pick(shops, np.repeat(home_town, 3 * _NEAR), rng).reshape(customers, -1)
    distance = np.hypot(*np.moveaxis(place[seen] - home[:, None, :], -1, 0))
    near = np.take_along_axis(seen, np.argsort(distance, axis=1)[:, :_NEAR], axis=1)

    activity = rng.gamma(2.0, 1.0, customers) + 0.1
    return _World(
        home=home,
        level=np.exp(rng.normal(3.3, 0.6, customers)),
        activity=activity / activity.sum(),
        active_hour=rng.normal(15, 3, customers),
        near=near,
        place=place,
        online=online,
        price=price,
        shops=shops,
        web=web,
        web_share=_power_law(len(web), 0.7),
    )


def _power_law(n: int, power: float) -> Floats:
    """Shares that sum to 1: a few large ones, many small ones."""
    share = np.arange(1.0, n + 1) ** -power
    return np.asarray(share / share.sum())


def _pick(lists: tuple[Ints, ...], which: Ints, rng: np.random.Generator) -> Ints:
    """One random element of ``lists[which]`` for each entry of ``which``."""
    sizes = np.array([len(ids) for ids in lists])
    starts = np.cumsum(sizes) - sizes
    offset = (rng.random(len(which)) * sizes[which]).astype(np.int64)
    return np.asarray(np.concatenate(lists)[starts[which] + offset])


# ---- what they pay -------------------------------------------------------------------------------


def _genuine(world: _World, n: int, rng: np.random.Generator) -> _Payments:
    customers = len(world.level)
    customer = rng.choice(customers, n, p=world.activity)
    # Fridays and Saturdays are busier, and the card grows in use.
    busy = np.tile([0.9, 0.9, 0.95, 1.0, 1.2, 1.25, 0.8], _DAYS // 7 + 1)[:_DAYS]
    busy *= np.linspace(1, 1.2, _DAYS)
    day = rng.choice(_DAYS, n, p=busy / busy.sum())
    hour = (world.active_hour[customer] + rng.normal(0, 3.5, n)) % 24
    seconds = (day * _DAY + hour * 3600).astype(np.int64)

    rank = np.minimum(rng.geometric(0.25, n) - 1, _NEAR - 1)
    terminal = world.near[customer, rank]
    # Journeys: another town for some days, spending a bit more.
    start = rng.uniform(0, 1.5 * _DAYS, customers)  # beyond the end: stays at home
    length = rng.uniform(2, 9, customers)
    town = rng.integers(_TOWNS, size=customers)
    away = (day >= start[customer]) & (day < (start + length)[customer])
    terminal = np.where(away, _pick(world.shops, town[customer], rng), terminal)
    anywhere = _pick(world.shops, rng.integers(_TOWNS, size=n), rng)
    terminal = np.where(rng.random(n) < 0.02, anywhere, terminal)  # a day trip
    terminal = np.where(rng.random(n) < 0.15, rng.choice(world.web, n, p=world.web_share), terminal)

    amount = world.level[customer] * world.price[terminal] * np.exp(rng.normal(0, 0.6, n))
    amount *= np.where(away, 1.4, 1.0)
    amount *= np.where(rng.random(n) < 0.03, rng.uniform(3, 8, n), 1.0)  # a washing machine

    # A second payment minutes after the first: the customer of another row, once more.
    again = np.flatnonzero(rng.random(n) < 0.03)
    first = rng.integers(n, size=len(again))
    customer[again], terminal[again] = customer[first], terminal[first]
    amount[again] = amount[first] * np.exp(rng.normal(-0.8, 0.7, len(again)))
    seconds[again] = seconds[first] + rng.integers(30, 1_800, len(again))
    seconds = np.minimum(seconds, _DAYS * _DAY - 1)
    return _Payments(seconds, customer, terminal, _cents(amount), np.zeros(n, dtype=bool))


def _frauds(world: _World, genuine: _Payments, n: int, rng: np.random.Generator) -> _Payments:
    """Incidents, one after the other, until there are n frauds."""
    by_terminal = np.argsort(genuine.terminal, kind="stable")
    starts = np.searchsorted(genuine.terminal[by_terminal], np.arange(len(world.price) + 1))
    incidents: list[_Payments] = []
    missing = n
    while missing > 0:
        begin = rng.uniform(0, _DAYS * _DAY)
        progress = begin / (_DAYS * _DAY)
        kind = rng.choice(_KINDS, p=(1 - progress) * _MIX_FIRST + progress * _MIX_LAST)
        if kind == "terminal":
            terminal = int(rng.integers(len(world.price)))
            visits = by_terminal[starts[terminal] : starts[terminal + 1]]
            visits = visits[genuine.seconds[visits] < begin]
            if not len(visits):
                continue
            incident = _compromised(world, begin, terminal, genuine.customer[visits], rng)
        elif kind == "stolen":
            incident = _stolen(world, begin, progress, rng)
        else:
            incident = _tried_out(world, begin, progress, rng)
        incident = incident.take(np.flatnonzero(incident.seconds < _DAYS * _DAY)[:missing])
        incidents.append(incident)
        missing -= len(incident.seconds)
    return _join(incidents)


def _fraud(seconds: Floats, customer: Ints, terminal: Ints, amount: Floats) -> _Payments:
    label = np.ones(len(amount), dtype=bool)
    return _Payments(seconds.astype(np.int64), customer, terminal, _cents(amount), label)


def _compromised(
    world: _World, begin: float, terminal: int, visitors: Ints, rng: np.random.Generator
) -> _Payments:
    k = int(rng.integers(10, 25))
    customer = rng.choice(visitors, k)
    day = np.floor(begin / _DAY) + np.floor(rng.uniform(0, rng.uniform(28, 56), k))
    hour = (world.active_hour[customer] + rng.normal(0, 5, k)) % 24
    amount = world.level[customer] * world.price[terminal] * np.exp(rng.normal(1.6, 0.5, k))
    return _fraud(day * _DAY + hour * 3600, customer, np.full(k, terminal), amount)


def _stolen(world: _World, begin: float, progress: float, rng: np.random.Generator) -> _Payments:
    k = int(rng.integers(4, 13))
    customer = np.full(k, rng.choice(len(world.level), p=world.activity))
    seconds = begin + rng.uniform(0, rng.uniform(0.05, 0.6), k) * _DAY  # any hour
    far = _pick(world.shops, rng.integers(_TOWNS, size=k), rng)
    near = world.near[customer, rng.integers(_NEAR, size=k)]
    terminal = np.where(rng.random(k) < 0.75, far, near)
    terminal = np.where(rng.random(k) < 0.25, rng.choice(world.web, k, p=world.web_share), terminal)
    greed = 2.7 - 0.6 * progress
    amount = world.level[customer] * world.price[terminal] * np.exp(rng.normal(greed, 0.7, k))
    return _fraud(seconds, customer, terminal, amount)


def _tried_out(world: _World, begin: float, progress: float, rng: np.random.Generator) -> _Payments:
    cards = rng.choice(len(world.level), int(rng.integers(2, 6)), p=world.activity)
    customer = np.repeat(cards, rng.integers(3, 8, len(cards)))
    k = len(customer)
    terminal = np.full(k, rng.choice(world.web, p=world.web_share))
    seconds = begin + rng.uniform(0, rng.uniform(0.5, 3) * 3600, k)
    amount = np.exp(rng.normal(0.4 + progress, 0.6, k))  # about 1.5, later 4
    used = cards[rng.random(len(cards)) < 0.5]  # the trial went through: the real one, hours later
    return _fraud(
        np.concatenate([seconds, begin + rng.uniform(1, 30, len(used)) * 3600]),
        np.concatenate([customer, used]),
        np.concatenate([terminal, rng.choice(world.web, len(used), p=world.web_share)]),
        np.concatenate([amount, world.level[used] * rng.uniform(1.5, 8, len(used))]),
    )


# ---- what was known at the time ------------------------------------------------------------------


class _History:
    """Counts and sums over the earlier rows of the same group (customer, terminal).

    Rows sorted by group and time have one ascending key; a window of the past is then two binary
    searches, and a sum over it the difference of two entries of a cumulative sum. Integers only: a
    cumulative sum of floats would carry the rounding of other groups' later rows into this one.
    """

    def __init__(self, group: Ints, seconds: Ints) -> None:
        self._base = group * (2 * _DAYS * _DAY)  # leaves a gap: windows never reach the next group
        self._seconds = seconds
        self._order = np.argsort(self._base + seconds, kind="stable")
        self._key = (self._base + seconds)[self._order]
        self._found: dict[int, Ints] = {}  # windows share their ends

    def _before(self, delay: int) -> Ints:
        """Position of the first row of the group that is not earlier than ``delay`` ago."""
        if delay not in self._found:
            start = self._base + np.maximum(self._seconds - delay, 0)
            self._found[delay] = np.searchsorted(self._key, start)
        return self._found[delay]

    def count(self, window: int, delay: int = 0) -> Ints:
        """Rows in [t - delay - window, t - delay)."""
        return self._before(delay) - self._before(delay + window)

    def total(self, values: Ints, window: int, delay: int = 0) -> Ints:
        """Sum of ``values`` over the same rows."""
        running = np.concatenate([[0], np.cumsum(values[self._order])])
        return np.asarray(running[self._before(delay)] - running[self._before(delay + window)])

    def since_last(self, limit: int) -> Ints:
        """Seconds since the last earlier row of the group, at most ``limit``."""
        position = self._before(0) - 1
        gap = self._base + self._seconds - self._key[position]
        return np.where((position >= 0) & (gap < limit), gap, limit)


def _ratio(numerator: NDArray[Any], denominator: NDArray[Any], without: float) -> Floats:
    out = np.full(len(numerator), without)
    np.divide(numerator, denominator, out=out, where=denominator > 0)
    return out


def _features(world: _World, payments: _Payments) -> dict[str, NDArray[Any]]:
    """Compute the features from the earlier payments, and from labels only after their delay."""
    seconds, cents = payments.seconds, payments.cents
    hour = seconds % _DAY / 3600
    offset = world.place[payments.terminal] - world.home[payments.customer]
    online = world.online[payments.terminal]
    fraud = payments.fraud.astype(np.int64)
    card = _History(payments.customer, seconds)
    shop = _History(payments.terminal, seconds)
    both = _History(payments.customer * len(world.price) + payments.terminal, seconds)

    columns: dict[str, NDArray[Any]] = {
        "amount": cents / 100,
        "hour": hour,
        "weekday": seconds // _DAY % 7,
        "night": (hour < 6) | (hour >= 23),
        "online": online,
        "distance_from_home": np.where(online, 0.0, np.hypot(offset[:, 0], offset[:, 1])),
        "seconds_since_last": card.since_last(30 * _DAY),
        "customer_count_at_terminal_30d": both.count(30 * _DAY),
    }
    for name, history in (("customer", card), ("terminal", shop)):
        columns[f"{name}_count_1h"] = history.count(3600)
        for days in (1, 7, 30):
            count = history.count(days * _DAY)
            mean = _ratio(history.total(cents, days * _DAY), 100 * count, 0.0)
            columns[f"{name}_count_{days}d"] = count
            columns[f"{name}_mean_amount_{days}d"] = mean
        columns[f"amount_to_{name}_mean_30d"] = _ratio(cents / 100, mean, 1.0)
    columns["customer_online_share_30d"] = _ratio(
        card.total(online.astype(np.int64), 30 * _DAY), card.count(30 * _DAY), 0.0
    )
    columns["customer_known_frauds_30d"] = card.total(fraud, 30 * _DAY, _LABEL_DELAY)
    for days in (7, 30):
        columns[f"terminal_known_fraud_share_{days}d"] = _ratio(
            shop.total(fraud, days * _DAY, _LABEL_DELAY), shop.count(days * _DAY, _LABEL_DELAY), 0.0
        )
    return columns
