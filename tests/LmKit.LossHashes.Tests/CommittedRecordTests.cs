namespace LmKit.LossHashes.Tests;

public class CommittedRecordTests
{
    [Fact]
    public void Each_hash_is_of_the_losses_that_stand_beside_it()
    {
        var record = LossRecord.Read(Path.Combine(LossHashRun.Root, LossHashRun.Record));

        Assert.NotEmpty(record.Programs);
        Assert.All(record.Programs, program =>
        {
            var losses = program.Values();
            Assert.Equal(program.Count, losses.Length);
            Assert.Equal(program.Sha256, ProgramRecord.HashOf(losses));
            Assert.Equal((program.First, program.Last), losses is [var first, .., var last] ? (first, last) : (0, 0));
        });
    }
}
