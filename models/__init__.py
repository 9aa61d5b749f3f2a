"""What exists: horizon, network, piles, sessions, storage, PV, plan, state.

The field's words, one word per thing
-------------------------------------
=====================  ==============  =====================================================
term                   中文             meaning
=====================  ==============  =====================================================
pile                   充电桩           one controllable outlet (EVSE)
session                充电会话         one vehicle's stay with an energy request
setpoint               功率设定值       power a pile must hold now, with its lease
plan                   计划             power of every asset on one horizon
horizon, slot          滚动窗口, 时段   planning window, its step (unequal steps allowed)
tariff period          尖 峰 平 谷 深谷  clock range with one price: sharp, peak, flat, valley,
                                        deep_valley
demand charge          需量电费         money per kW of the month's highest interval
capacity charge        容量电费         money per kVA installed
transformer            变压器(台区)     a node of the limit tree, as are feeders (馈线) and the
                                        point of connection (并网点)
laxity                 松弛度           time to departure minus time still needed
base load              基础负荷         what cannot be steered
lease                  有效期           until when a setpoint may be obeyed; then the pile
                                        falls back
=====================  ==============  =====================================================

Units and signs
---------------
kW, kWh, h, money per kWh; state of charge and efficiencies are fractions. Every public number
carries its unit as a suffix (``_kw``, ``_kwh``, ``_h``, ``_per_kwh``). Positive power draws
from the grid; PV and discharge are negative. Limits are magnitudes. Instants are aware;
arithmetic is in UTC; a site's zone is used only where humans made rules.
"""
