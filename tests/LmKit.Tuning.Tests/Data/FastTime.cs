namespace LmKit.Tuning.Tests;

/// <summary>A clock in which waiting takes a thousandth of its time.</summary>
internal sealed class FastTime : TimeProvider
{
    private const double Factor = 1000;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        base.CreateTimer(callback, state, Scaled(dueTime), Scaled(period));

    private static TimeSpan Scaled(TimeSpan time) => time == Timeout.InfiniteTimeSpan ? time : time / Factor;
}
