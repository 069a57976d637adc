namespace LmKit.Core.Tests;

public sealed class LearningRateScheduleTests
{
    // Four warm-up steps and twelve more: in two cycles of six, and in three of four.
    [Theory]
    [InlineData(2, 4, 1.0)]
    [InlineData(2, 7, 0.6)]
    [InlineData(2, 9, 0.2 + 0.4 * (1 - 0.8660254037844386))]
    [InlineData(2, 10, 1.0)]
    [InlineData(2, 13, 0.6)]
    [InlineData(3, 6, 0.6)]
    [InlineData(3, 8, 1.0)]
    [InlineData(3, 12, 1.0)]
    [InlineData(3, 14, 0.6)]
    [InlineData(3, 16, 0.2)]
    [InlineData(1, 10, 0.6)]
    [InlineData(1, 16, 0.2)]
    public void Restarts_begin_each_cycle_at_the_peak_and_end_at_the_floor(int cycles, long step, double share) =>
        Assert.Equal(share, new LearningRateSchedule(LearningRateShape.CosineRestarts, 4, 16, 0.2, cycles).At(step), 12);

    [Fact]
    public void Behind_the_last_step_restarts_and_the_line_stay_at_the_floor()
    {
        foreach (var shape in new[] { LearningRateShape.CosineRestarts, LearningRateShape.Linear })
        {
            foreach (var step in new[] { 16L, 17, 22, 100 })
                Assert.Equal(0.2, new LearningRateSchedule(shape, 4, 16, 0.2, 2).At(step), 12);
        }
    }

    [Fact]
    public void Step_zero_of_a_warm_up_rests_and_without_one_begins_at_the_peak()
    {
        foreach (var shape in Enum.GetValues<LearningRateShape>())
        {
            Assert.Equal(0, new LearningRateSchedule(shape, 4, 16).At(0));
            Assert.Equal(0.25, new LearningRateSchedule(shape, 4, 16).At(1));
            Assert.Equal(1, new LearningRateSchedule(shape, 0, 16).At(0));
        }
        Assert.Throws<ArgumentOutOfRangeException>(() => new LearningRateSchedule(LearningRateShape.Cosine, 4, 16).At(-1));
    }

    [Fact]
    public void A_run_of_its_warm_up_alone_divides_by_nothing() =>
        Assert.Equal(1, new LearningRateSchedule(LearningRateShape.Cosine, 4, 4).At(4));
}
