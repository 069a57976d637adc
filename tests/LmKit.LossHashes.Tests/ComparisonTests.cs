namespace LmKit.LossHashes.Tests;

public class ComparisonTests
{
    private static readonly double[] losses = [2.5, -0.0, 1e-9, 1 / 3.0];

    [Fact]
    public void Equal_bits_are_the_same_on_any_machine()
    {
        Assert.True(Comparison.Of(Record(losses), Record(losses), 1e-5, isSameMachine: true).IsSame);
        Assert.True(Comparison.Of(Record(losses), Record(losses), 1e-5, isSameMachine: false).IsSame);
    }

    [Fact]
    public void One_bit_of_one_loss_is_a_move_and_is_named()
    {
        double[] moved = [.. losses[..3], Math.BitIncrement(losses[3])];
        var comparison = Comparison.Of(Record(losses), Record(moved), 1e-5, isSameMachine: true);

        Assert.False(comparison.IsSame);
        Assert.Contains("1 of 4 losses differ in their bits, 0 by more than 1E-5: number 4 is 0.3333333333333333 in the record", comparison.Text, StringComparison.Ordinal);
        Assert.False(Comparison.Of(Record([0.0]), Record([-0.0]), 1e-5, isSameMachine: true).IsSame);
    }

    [Theory]
    [InlineData(100, 100.0009, true)]
    [InlineData(100, 100.0012, false)]
    [InlineData(-100, -100.0012, false)]
    [InlineData(1e-7, 2e-7, true)]
    [InlineData(1, double.NaN, false)]
    [InlineData(1, double.PositiveInfinity, false)]
    public void Another_machine_may_differ_by_the_tolerance(double was, double now, bool expected) =>
        Assert.Equal(expected, Comparison.Of(Record([was]), Record([now]), 1e-5, isSameMachine: false).IsSame);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Another_number_of_losses_is_a_move(bool isSameMachine)
    {
        Assert.False(Comparison.Of(Record(losses), Record(losses[..3]), 1e-5, isSameMachine).IsSame);
        Assert.False(Comparison.Of(Record(losses), Record([]), 1e-5, isSameMachine).IsSame);
    }

    [Fact]
    public void A_record_that_was_edited_is_refused() =>
        Assert.Contains("by hand", Comparison.Of(Record(losses) with { Losses = "2.5 0 1E-09 0.4" }, Record([2.5, 0, 1e-9, 0.4]), 1e-5, isSameMachine: true).Text, StringComparison.Ordinal);

    [Fact]
    public void Printed_figures_count_on_the_same_machine_alone()
    {
        Assert.False(Comparison.Of(Record(losses, "0.5"), Record(losses, "0.6"), 1e-5, isSameMachine: true).IsSame);
        Assert.True(Comparison.Of(Record(losses, "0.5"), Record(losses, "0.6"), 1e-5, isSameMachine: false).IsSame);
    }

    [Fact]
    public void A_record_comes_back_from_its_file_with_every_bit()
    {
        var path = Path.Combine(Directory.CreateTempSubdirectory("lmkit-record-").FullName, "record.json");
        var written = new LossRecord(Machine.Here, "10.0.0", [Record([double.Epsilon, -0.0, Math.PI, 1e300])]);
        written.Write(path);
        var read = LossRecord.Read(path);
        Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);

        Assert.Equal(written.Machine, read.Machine);
        Assert.Equal(written.Programs, read.Programs);
        Assert.Equal(read.Programs[0].Sha256, ProgramRecord.HashOf(read.Programs[0].Values()));
    }

    private static ProgramRecord Record(double[] losses, params string[] figures) =>
        ProgramRecord.Of(new ToyProgram("toy", "samples/Toy", "Toy.dll", ["--toy"]), new ToyRun(losses, figures));
}
