"""Card payments with rare frauds: a simulated table, and a real one that is downloaded.

::

    table = make_fraud()         # simulated from a seed: no download, no licence
    table = load_creditcard()    # the ULB table of 2013, from OpenML
    X_train, X_test, y_train, y_test = table.split()

Simulated customers pay near home, each at usual hours and with usual amounts, and sometimes travel. A
few cards are stolen, tested with small charges, or copied at a compromised terminal. Every feature of a
payment was known when the payment was made.
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
_MIN_TRANSACTIONS, _MAX_TRANSACTIONS = 1_000, 10_000_000  # above, the keys of _History overflow
_TOWNS = 8
_NEAR = 10  # terminals near home that a customer uses
_LABEL_DELAY = 7 * _DAY  # a fraud becomes known when the customer reports it

# Share of each kind of incident on the first and on the last day. The mix changes in between, so what a
# model learns from early frauds becomes outdated.
_KINDS = ("terminal", "stolen", "testing")
_MIX_FIRST = np.array([0.35, 0.45, 0.20])
_MIX_LAST = np.array([0.20, 0.40, 0.40])


class _Table:
    """Methods of both tables; the subclasses document the attributes."""

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
            Share of the rows in the test part. Payments of the same second stay together, in the test
            part.

        Returns
        -------
        X_train, X_test, y_train, y_test : arrays
            Views, not copies.

        Raises
        ------
        ValueError
            If ``test_fraction`` is outside [0, 1], or leaves one of the parts empty.
        TypeError
            If ``test_fraction`` is not a number.
        """
        cut = _cut(self.time, test_fraction)
        return self.X[:cut], self.X[cut:], self.y[:cut], self.y[cut:]

    def frame(self) -> pd.DataFrame:
        """Return the table as a DataFrame: ``time``, the features, and the target ``fraud``.

        Returns
        -------
        pandas.DataFrame of shape (n, p + 2)
            Customers and terminals are not included.

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
        distances in km, ``hour`` is in [0, 24), ``weekday`` from 0 (Monday) to 6. Windows (``_1h``,
        ``_7d``, ...) end just before the payment. If a window is empty, its mean is 0 and the ratio to
        its mean is 1. ``seconds_since_last`` is at most 30 days.
    y : int8 array of shape (n,)
        1 for fraud, 0 for a genuine payment.
    time : datetime64[s] array of shape (n,)
        Time of each payment, ascending.
    customer, terminal : int64 arrays of shape (n,)
        Numbers of the customer and of the terminal, from 0. They are not among the features.
    feature_names : tuple of str, length p
        Names of the columns of ``X``.
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
    """Simulate card payments of 120 days; a few of them are frauds.

    Parameters
    ----------
    n_transactions : int from 1000 to 10 000 000
        Number of rows. A larger table has more customers and terminals: about 150 payments per
        customer and 80 per terminal.
    fraud_rate : float in [0.001, 0.1]
        Share of frauds, rounded to whole rows.
    seed : int >= 0
        The same seed gives the same table, bit for bit on one machine with one version of NumPy.

    Returns
    -------
    FraudTable

    Raises
    ------
    ValueError
        If an argument is outside its range.
    TypeError
        If an argument is not a number of its kind.

    Notes
    -----
    There are three kinds of incident. Genuine payments look like each of them:

    * a compromised terminal: for four to eight weeks some earlier visitors are charged again, more than
      they usually pay (similar: all genuine payments at that terminal);
    * a stolen card: for some hours larger payments, at any time of the day, mostly far from home
      (similar: journeys, single large purchases);
    * cards being tested: for up to three hours small charges at one online shop, then sometimes a large
      charge (similar: small online charges, several payments within minutes).

    Over the 120 days compromised terminals become rarer, tests of cards become more frequent, and
    fraudulent amounts become less conspicuous. The frauds of one incident resemble each other. A random
    split therefore makes every model look too good; ``FraudTable.split`` splits by time. The default
    table has 600 frauds in about 50 incidents, so tables of different seeds differ: LightGBM's average
    precision on the later 30 % is between .55 and .75 for seeds 0 to 7 (100 rounds, ``lambda_l2=1``), on
    a random 30 % between .75 and .84.

    A fraud becomes known 7 days later, and only then enters the features of its card and its terminal.
    Payments of the first weeks have a short history.

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
    """Return the first row of the test part; payments of the same second stay together."""
    _check("test_fraction", test_fraction, Real, 0, 1)
    n = len(time)
    late = round(n * test_fraction)
    cut = int(np.searchsorted(time, time[-late])) if late else n
    if not 0 < cut < n:
        raise ValueError(
            f"test_fraction must leave rows in both parts of {n}, got {test_fraction!r}"
        )
    return cut


def _check(name: str, value: Any, kind: type, low: float, high: float) -> None:
    """Raise an error if ``value`` is not a number of the kind, or is outside [low, high]."""
    noun = "an integer" if kind is Integral else "a number"
    message = f"{name} must be {noun} in [{low}, {high}], got {value!r}"
    of_kind = isinstance(value, kind) and not isinstance(value, bool)
    if not of_kind:
        raise TypeError(message)
    if not low <= value <= high:
        raise ValueError(message)


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
        Features, all finite: ``V1`` to ``V28``, principal components of features that are not
        published, and the ``Amount`` of the payment.
    y : int8 array of shape (n,)
        1 for fraud, 0 for a genuine payment.
    time : timedelta64[s] array of shape (n,)
        Time since the first payment, ascending. It is not among the features.
    feature_names : tuple of str, length 29
        Names of the columns of ``X``.
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

    The first call downloads up to 150 MB with scikit-learn's ``fetch_openml``, which keeps the file for
    later calls.

    Parameters
    ----------
    data_home : path, optional
        The file is kept in the subfolder ``openml`` of this folder. None: scikit-learn's folder for
        data, ``~/scikit_learn_data`` or the value of the environment variable SCIKIT_LEARN_DATA.

    Returns
    -------
    CreditCardTable

    Raises
    ------
    ImportError
        If scikit-learn or pandas is not installed.
    ConnectionError
        If OpenML cannot be reached and the file has not been downloaded before. (A ConnectionError is
        an OSError.)
    ValueError
        If the downloaded table is not the expected one: see Notes.

    Notes
    -----
    Every call checks the table. scikit-learn compares the MD5 of the file with the one in OpenML's
    description of the data set. This function checks the names of the 31 columns, the number of rows and
    of frauds, that all values are finite, and that the time ascends. No checksum is stored in this
    package: if OpenML replaced both the file and its MD5, a new file that passes these checks would be
    accepted.

    OpenML marks the column ``Time`` as the identifier of the row. ``fetch_openml`` leaves out such a
    column unless the caller asks for it by name, as this function does.

    The table covers only two days: it shows no weekly pattern and little drift. It does not say which
    payments belong to the same card, nor whether the principal components were fitted on both days.

    References
    ----------
    A. Dal Pozzolo, O. Caelen, R. A. Johnson, G. Bontempi, "Calibrating probability with undersampling
    for unbalanced classification", IEEE CIDM 2015. https://www.openml.org/d/1597
    """
    try:
        import pandas  # noqa: F401 (scikit-learn reads the file with it)
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
            f"load_creditcard must reach openml.org once to download data set {_OPENML_ID} into "
            f"{os.path.join(get_data_home(data_home), 'openml')}, but failed: {error}. "
            "make_fraud() needs no download"
        ) from error
    return _creditcard(table)


def _creditcard(table: pd.DataFrame) -> CreditCardTable:
    """Check the table that OpenML returned, and convert it."""
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
        raise ValueError(f"{source} rows in order of Time, got an earlier time at row {row}")
    return CreditCardTable(
        X=X,
        y=(label == "1").astype(np.int8),
        time=seconds.astype(np.int64).astype("timedelta64[s]"),
        feature_names=_CARD_FEATURES,
    )


# ---- customers and terminals ---------------------------------------------------------------------


class _World(NamedTuple):
    """Customers and terminals. Places are in km, hours in [0, 24), amounts in currency units."""

    home: Floats  # (customers, 2), place
    level: Floats  # (customers,), median amount
    activity: Floats  # (customers,), share of the payments; sums to 1
    active_hour: Floats  # (customers,), mean hour of the payments
    near: Ints  # (customers, _NEAR), terminals near home, nearest first
    place: Floats  # (terminals, 2), meaningless for online terminals
    online: NDArray[np.bool_]  # (terminals,)
    price: Floats  # (terminals,), factor of the amount
    shops: tuple[Ints, ...]  # terminals of each town
    web: Ints  # online terminals
    web_share: Floats  # share of the online payments for each of web; sums to 1


class _Payments(NamedTuple):
    """One entry per payment. Amounts are in cents because sums of integers are exact."""

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
    # The first 32 terminals give four shops to every town; every eighth of the others is online.
    town_of = rng.choice(_TOWNS, terminals, p=town_share)
    town_of[: 4 * _TOWNS] = np.arange(4 * _TOWNS) % _TOWNS
    online = np.zeros(terminals, dtype=bool)
    online[4 * _TOWNS :: 8] = True
    place = town_place[town_of] + rng.normal(0, 4, (terminals, 2))
    price = np.exp(rng.normal(0, 0.5, terminals))
    price[online & (rng.random(terminals) < 0.4)] *= 0.15  # small purchases
    shops = tuple(np.flatnonzero((town_of == town) & ~online) for town in range(_TOWNS))

    web = np.flatnonzero(online)
    home_town = rng.choice(_TOWNS, customers, p=town_share)
    home = town_place[home_town] + rng.normal(0, 4, (customers, 2))
    # The nearest of a sample of the town's shops: the distances of all pairs need too much memory.
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
    """Return n shares that sum to 1, a few large and many small."""
    share = np.arange(1.0, n + 1) ** -power
    return np.asarray(share / share.sum())


def _pick(lists: tuple[Ints, ...], which: Ints, rng: np.random.Generator) -> Ints:
    """Return one random element of ``lists[i]`` for each i in ``which``."""
    sizes = np.array([len(ids) for ids in lists])
    starts = np.cumsum(sizes) - sizes
    offset = (rng.random(len(which)) * sizes[which]).astype(np.int64)
    return np.asarray(np.concatenate(lists)[starts[which] + offset])


# ---- payments ------------------------------------------------------------------------------------


def _genuine(world: _World, n: int, rng: np.random.Generator) -> _Payments:
    """Return n genuine payments."""
    customers = len(world.level)
    customer = rng.choice(customers, n, p=world.activity)
    # Fridays and Saturdays are busier, and the number of payments grows by 20 % over the table.
    busy = np.tile([0.9, 0.9, 0.95, 1.0, 1.2, 1.25, 0.8], _DAYS // 7 + 1)[:_DAYS]
    busy *= np.linspace(1, 1.2, _DAYS)
    day = rng.choice(_DAYS, n, p=busy / busy.sum())
    hour = (world.active_hour[customer] + rng.normal(0, 3.5, n)) % 24
    seconds = (day * _DAY + hour * 3600).astype(np.int64)

    rank = np.minimum(rng.geometric(0.25, n) - 1, _NEAR - 1)
    terminal = world.near[customer, rank]
    # Each customer makes at most one journey: some days in another town, with larger amounts. A start
    # after the last day means no journey.
    start = rng.uniform(0, 1.5 * _DAYS, customers)
    length = rng.uniform(2, 9, customers)
    town = rng.integers(_TOWNS, size=customers)
    away = (day >= start[customer]) & (day < (start + length)[customer])
    terminal = np.where(away, _pick(world.shops, town[customer], rng), terminal)
    anywhere = _pick(world.shops, rng.integers(_TOWNS, size=n), rng)
    terminal = np.where(rng.random(n) < 0.02, anywhere, terminal)  # a day trip
    terminal = np.where(rng.random(n) < 0.15, rng.choice(world.web, n, p=world.web_share), terminal)

    amount = world.level[customer] * world.price[terminal] * np.exp(rng.normal(0, 0.6, n))
    amount *= np.where(away, 1.4, 1.0)
    amount *= np.where(rng.random(n) < 0.03, rng.uniform(3, 8, n), 1.0)  # large purchases

    # Some payments follow another payment of the same card within minutes.
    again = np.flatnonzero(rng.random(n) < 0.03)
    first = rng.integers(n, size=len(again))
    customer[again], terminal[again] = customer[first], terminal[first]
    amount[again] = amount[first] * np.exp(rng.normal(-0.8, 0.7, len(again)))
    seconds[again] = seconds[first] + rng.integers(30, 1_800, len(again))
    seconds = np.minimum(seconds, _DAYS * _DAY - 1)
    return _Payments(seconds, customer, terminal, _cents(amount), np.zeros(n, dtype=bool))


def _frauds(world: _World, genuine: _Payments, n: int, rng: np.random.Generator) -> _Payments:
    """Simulate incidents until there are n frauds."""
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
            if not len(visits):  # no card that could have been copied
                continue
            incident = _compromised(world, begin, terminal, genuine.customer[visits], rng)
        elif kind == "stolen":
            incident = _stolen(world, begin, progress, rng)
        else:
            incident = _testing(world, begin, progress, rng)
        incident = incident.take(np.flatnonzero(incident.seconds < _DAYS * _DAY)[:missing])
        incidents.append(incident)
        missing -= len(incident.seconds)
    return _join(incidents)


def _fraud(seconds: Floats, customer: Ints, terminal: Ints, amount: Floats) -> _Payments:
    """Return fraudulent payments."""
    label = np.ones(len(amount), dtype=bool)
    return _Payments(seconds.astype(np.int64), customer, terminal, _cents(amount), label)


def _compromised(
    world: _World, begin: float, terminal: int, visitors: Ints, rng: np.random.Generator
) -> _Payments:
    """Return one incident: visitors of a terminal are charged over the weeks after."""
    k = int(rng.integers(10, 25))
    customer = rng.choice(visitors, k)
    day = np.floor(begin / _DAY) + np.floor(rng.uniform(0, rng.uniform(28, 56), k))
    hour = (world.active_hour[customer] + rng.normal(0, 5, k)) % 24
    amount = world.level[customer] * world.price[terminal] * np.exp(rng.normal(1.6, 0.5, k))
    return _fraud(day * _DAY + hour * 3600, customer, np.full(k, terminal), amount)


def _stolen(world: _World, begin: float, progress: float, rng: np.random.Generator) -> _Payments:
    """Return one incident: the payments of one stolen card within hours."""
    k = int(rng.integers(4, 13))
    customer = np.full(k, rng.choice(len(world.level), p=world.activity))
    seconds = begin + rng.uniform(0, rng.uniform(0.05, 0.6), k) * _DAY
    far = _pick(world.shops, rng.integers(_TOWNS, size=k), rng)
    near = world.near[customer, rng.integers(_NEAR, size=k)]
    terminal = np.where(rng.random(k) < 0.75, far, near)
    terminal = np.where(rng.random(k) < 0.25, rng.choice(world.web, k, p=world.web_share), terminal)
    excess = 2.7 - 0.6 * progress  # mean log-ratio to the usual amount
    amount = world.level[customer] * world.price[terminal] * np.exp(rng.normal(excess, 0.7, k))
    return _fraud(seconds, customer, terminal, amount)


def _testing(world: _World, begin: float, progress: float, rng: np.random.Generator) -> _Payments:
    """Return one incident: small online charges on several cards, then large ones on some of them."""
    cards = rng.choice(len(world.level), int(rng.integers(2, 6)), p=world.activity)
    customer = np.repeat(cards, rng.integers(3, 8, len(cards)))
    k = len(customer)
    terminal = np.full(k, rng.choice(world.web, p=world.web_share))
    seconds = begin + rng.uniform(0, rng.uniform(0.5, 3) * 3600, k)
    amount = np.exp(rng.normal(0.4 + progress, 0.6, k))  # median 1.5 at first, 4 at last
    used = cards[rng.random(len(cards)) < 0.5]  # cards with a large charge some hours later
    return _fraud(
        np.concatenate([seconds, begin + rng.uniform(1, 30, len(used)) * 3600]),
        np.concatenate([customer, used]),
        np.concatenate([terminal, rng.choice(world.web, len(used), p=world.web_share)]),
        np.concatenate([amount, world.level[used] * rng.uniform(1.5, 8, len(used))]),
    )


# ---- features ------------------------------------------------------------------------------------


class _History:
    """Counts and sums over the earlier rows of the same group (a customer or a terminal).

    The key of a row ascends with group and time. Two binary searches among the sorted keys find a window
    of the past, and a sum over the window is the difference of two entries of a cumulative sum. All
    values are integers: a cumulative sum of floats would carry rounding errors from one group, and so
    from later rows, into another.
    """

    def __init__(self, group: Ints, seconds: Ints) -> None:
        # The keys of two groups are far enough apart that a window never reaches another group.
        self._base = group * (2 * _DAYS * _DAY)
        self._seconds = seconds
        self._order = np.argsort(self._base + seconds, kind="stable")
        self._key = (self._base + seconds)[self._order]
        self._found: dict[int, Ints] = {}  # kept because windows share their ends

    def _before(self, delay: int) -> Ints:
        """Return the position of the group's first row not earlier than ``delay`` seconds ago."""
        if delay not in self._found:
            start = self._base + np.maximum(self._seconds - delay, 0)
            self._found[delay] = np.searchsorted(self._key, start)
        return self._found[delay]

    def count(self, window: int, delay: int = 0) -> Ints:
        """Count the rows of the group in [t - delay - window, t - delay), t being each row's time."""
        return self._before(delay) - self._before(delay + window)

    def total(self, values: Ints, window: int, delay: int = 0) -> Ints:
        """Sum ``values`` over the rows that ``count`` counts."""
        running = np.concatenate([[0], np.cumsum(values[self._order])])
        return np.asarray(running[self._before(delay)] - running[self._before(delay + window)])

    def since_last(self, limit: int) -> Ints:
        """Return the seconds since the last earlier row of the group, at most ``limit``."""
        position = self._before(0) - 1
        gap = self._base + self._seconds - self._key[position]
        return np.where((position >= 0) & (gap < limit), gap, limit)


def _ratio(numerator: NDArray[Any], denominator: NDArray[Any], if_zero: float) -> Floats:
    """Return numerator / denominator, and ``if_zero`` where the denominator is 0."""
    out = np.full(len(numerator), if_zero)
    np.divide(numerator, denominator, out=out, where=denominator > 0)
    return out


def _features(world: _World, payments: _Payments) -> dict[str, NDArray[Any]]:
    """Compute the features: from the payment, earlier payments, and labels older than the delay."""
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
